// The live page. Whatever a server named goes into textContent and nowhere else.
import { lanesOf, lasting, ticksOf } from "/lanes.js";

const SILENT_MS = 5000;
const SHOWN = 80;
const SHOWN_NARROW = 12;
const KEPT = 1000;
const LANES = 60;
const SESSIONS_EVERY_MS = 10000;

const byId = (id) => document.getElementById(id);
const happenings = new Map();
let sorted = [];
let status = null;
let state = null;
let offset = 0; // the server's clock less this browser's
let source = null;
let heardAt = null;
let lost = false;
let retryAt = 0;
let spanMs = 600000;
let showAll = false;
const narrow = window.matchMedia("(max-width: 560px)");
let clockOf = formatter(undefined);

function formatter(zone) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  try {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone ?? undefined });
  } catch {
    return new Intl.DateTimeFormat("en-GB", options);
  }
}

const clock = (ms) => clockOf.format(ms);
const now = () => (lost || heardAt === null ? (state?.now ?? Date.now()) : Date.now() + offset);

/** An element with a class and texts or elements inside. */
function made(tag, name, ...inside) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

/** A name of unknown direction and content. */
function named(text) {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}

function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

// ------------------------------------------------------------------------------------------------ contact

function connect() {
  source?.close();
  source = new EventSource("/events");
  const on = (name, take) => source.addEventListener(name, (message) => {
    heardAt = performance.now();
    take(JSON.parse(message.data));
    if (lost) found();
  });
  on("hello", takeHello);
  on("happened", takeHappenings);
  on("now", takeNow);
  source.addEventListener("error", () => {
    // The browser tries again by itself, unless it was refused.
    if (source.readyState === EventSource.CLOSED) retryAt = performance.now() + 3000;
    if (heardAt === null) lose();
  });
}

function watch() {
  const silent = heardAt !== null && performance.now() - heardAt > SILENT_MS;
  if (silent) lose();
  if (lost && source.readyState === EventSource.CLOSED && performance.now() > retryAt) connect();
  else if (silent && source.readyState === EventSource.OPEN) connect();
}

function lose() {
  if (!lost) announce("Lost contact with the tap");
  lost = true;
  document.body.classList.add("lost-contact");
  byId("lost").hidden = false;
  say("lost-words", state === null ? "Trying again …" : `What you see is as of ${clock(state.now)}. Trying again …`);
}

function found() {
  lost = false;
  document.body.classList.remove("lost-contact");
  byId("lost").hidden = true;
  announce("The tap is back");
}

// ------------------------------------------------------------------------------------------------ what comes in

function takeHello(said) {
  status = said.status;
  tags = { ...said.kinds, ...OTHER_TAGS };
  clockOf = formatter(status.timezone);
  happenings.clear();
  add(said.happenings);
  takeNow(status.now);
  drawHappened();
  askSessions();
}

function takeHappenings(news) {
  // A session that begins replaces what was shown of the last one.
  const start = news.findLast((one) => one.kind === "start" && !happenings.has(one.key));
  if (start !== undefined) {
    happenings.clear();
    news = news.slice(news.indexOf(start));
  }
  add(news);
  drawHappened();
  draw();
}

function add(news) {
  for (const one of news) happenings.set(one.key, one);
  while (happenings.size > KEPT) happenings.delete(happenings.keys().next().value);
  sorted = [...happenings.values()].sort((one, other) => one.at - other.at);
}

function takeNow(said) {
  const before = state;
  state = said;
  offset = said.now - Date.now();
  if (before !== null && said.program?.cameraId !== before.program?.cameraId && said.session !== null) {
    announce(`On air: ${said.program?.name ?? "nothing"}`);
  }
  if (before !== null && said.health.standing !== before.health.standing) announce(said.health.words);
  drawState();
  draw();
}

function announce(text) {
  byId("announce").textContent = text;
}

async function askSessions() {
  try {
    const answer = await fetch("/status.json");
    if (answer.ok) drawSessions((await answer.json()).sessions);
  } catch {
    // Lost contact is told by the feed.
  }
}

// ------------------------------------------------------------------------------------------------ what changes now and then

function drawState() {
  say("venue", status.venue);
  say("what", `multicam-tap ${status.version} · ${status.dialect}`);
  byId("health").className = `chip ${state.health.state} ${state.health.colour}`;
  say("health-words", state.health.words);
  const reasons = byId("reasons");
  reasons.hidden = state.health.reasons.length === 0;
  reasons.replaceChildren(...state.health.reasons.map((one) =>
    made("li", one.state, made("strong", "", one.words), made("span", "", one.nextStep))));
  drawWay();
  say("foot", `pid ${status.pid} · up since ${clock(status.startedAt)} · ${state.server.frames.toLocaleString("en")} frames heard`);
  const unknown = Object.keys(state.server.unknownTypes);
  if (unknown.length) byId("foot").append(` · types not known: `, named(unknown.slice(0, 5).join(", ")));
}

function drawWay() {
  const { server, journal, ledger } = state;
  const ago = (at) => (at === null ? "never" : state.wall - at < 5000 ? "just now" : `${lasting(state.wall - at)} ago`);
  const red = state.health.reasons.some((one) => one.name.startsWith("server_") && one.state === "failing");
  way("server", red ? "failing" : server.connected ? "ok" : "none",
    server.connected ? `connected for ${lasting(state.wall - server.since)}` : `away: ${server.problem ?? ""}`,
    `${server.url} · last heard ${ago(server.lastHeard)}`);
  const stuck = journal.problem !== null;
  way("journal", stuck ? "failing" : journal.dead ? "degraded" : "ok",
    stuck ? journal.problem : `${(journal.pending + journal.shipped + journal.dead).toLocaleString("en")} entries kept`,
    [journal.inMemory ? `${journal.inMemory} in memory` : "", journal.dead ? `${journal.dead} set aside` : ""]
      .filter(Boolean).join(" · "));
  const lamps = { none: "none", idle: "ok", shipping: "ok", away: "degraded", blocked: "degraded" };
  const words = {
    none: "none is configured: the journal keeps everything",
    idle: "has everything",
    shipping: "is taking entries",
    away: `away: ${ledger.problem ?? "no answer"}`,
    blocked: `blocked: ${ledger.problem ?? ""}`,
  };
  way("ledger", lamps[ledger.state] ?? "failing", words[ledger.state] ?? ledger.state,
    ledger.state === "none" ? "" : `${ledger.waiting.toLocaleString("en")} waiting · last answer ${ago(ledger.lastSuccess)}`);
}

function way(id, lamp, words, more) {
  const row = byId(id);
  row.className = lamp;
  row.querySelector(".words").replaceChildren(made("span", "", words), document.createElement("br"), made("span", "more", more));
}

// ------------------------------------------------------------------------------------------------ what runs

function draw() {
  if (state === null) return;
  const at = now();
  say("clock", clock(at));
  say("zone", status.timezone ?? "");
  drawAir(at);
  drawLanes(at);
}

function drawAir(at) {
  const { session, program, hold, heading } = state;
  const camera = state.cameras.find((one) => one.id === program?.cameraId);
  const live = session !== null && session.seen && program !== null && program.cameraId !== null && program.sure;
  byId("air").className = `air ${session === null ? "waiting" : live ? "live" : "unsure"}`;
  if (session === null) {
    say("air-label", "Waiting");
    say("program", `A session begins when ${state.waitsFor}.`);
    say("role", program?.cameraId ? `On program meanwhile: ${program.name}` : state.server.connected ? "The server is there." : "The server is away.");
    say("since", "");
  } else {
    say("air-label", live ? "On air" : !session.seen ? "Last seen on air" : "On air, not told since the gap");
    if (session.seen && program !== null && program.cameraId === null) say("air-label", "On air");
    say("program", program === null ? "not told yet" : (program.name ?? "Nothing"));
    say("role", heading ? `→ ${heading.name}${heading.transition ? ` (${heading.transition})` : ""}` : (camera?.role ?? ""));
    say("since", program === null ? "" : live ? `for ${lasting(at - program.since)}` : `since ${clock(program.since)}`);
  }
  document.title = live ? `● ${program.name} – ${status.venue}` : `${session === null ? "Waiting" : "?"} – ${status.venue}`;
  byId("hold").hidden = hold === null || session === null;
  if (hold !== null) say("hold-time", lasting(at - hold.since));
  say("session", session === null ? "–" : (session.title ?? session.key));
  // The beginning as the server's clock has it now, where that was set since.
  say("running", session === null ? "–" : lasting(at - (happenings.get(`start/${session.key}`)?.at ?? session.startedAt)));
  say("mode", state.mode ?? "–");
  say("cuts", session === null ? "–" : String(session.counts.cut ?? 0));
  say("gaps", session === null ? "–" : session.gaps ? `${session.gaps} (${lasting(session.gapMs)})` : "0");
  const stills = session === null ? {} : session.stills;
  const asked = Object.values(stills).reduce((sum, count) => sum + count, 0);
  say("stills", session === null ? "–" : asked ? `${stills.uploaded ?? 0} of ${asked}` : "0");
  const online = state.cameras.filter((one) => one.online !== false).length;
  say("cameras", online === state.cameras.length ? String(online + state.moreCameras) : `${online} of ${state.cameras.length + state.moreCameras}`);
}

function drawLanes(at) {
  const drawn = lanesOf(sorted, state, at);
  const to = drawn.end;
  // A session that is younger than that fills the chart as it grows.
  const begun = Math.min(drawn.start ?? to - 600000, to - 60000);
  const from = spanMs ? Math.max(begun, to - spanMs) : begun;
  const chart = byId("lanes");
  const wide = chart.clientWidth > 520 ? chart.clientWidth - 254 : chart.clientWidth;
  const length = Math.max(1, to - from);
  const place = (moment) => (100 * (moment - from)) / length;
  const ticks = ticksOf(from, to, Math.max(2, wide / 110)).filter((one) => place(one) > 3 && place(one) < 97);
  const known = new Map(state.cameras.map((one) => [one.id, one]));
  const ids = [...known.keys(), ...[...drawn.lanes.keys()].filter((id) => !known.has(id))].slice(0, LANES);
  const rows = ids.map((id) => laneRow(known.get(id), id, drawn, { from, to, place, ticks }));
  chart.replaceChildren(...(ids.length ? [axisRow(ticks, place), ...rows] : [made("p", "quiet", "No camera is known yet.")]));
  say("lanes-words", ids.map((id) => `${known.get(id)?.name ?? id}: ${lasting(total(drawn.lanes.get(id)))} on air`).join(", "));
}

function axisRow(ticks, place) {
  const labels = made("div", "ticks");
  for (const one of ticks) {
    const label = made("span", "time", clock(one));
    label.style.left = `${place(one)}%`;
    labels.append(label);
  }
  return made("div", "axis", made("span"), labels, made("span"));
}

const total = (lane) => (lane?.spans ?? []).reduce((sum, span) => sum + span.to - span.from, 0);

function laneRow(camera, id, drawn, view) {
  const lane = drawn.lanes.get(id) ?? { spans: [], holds: [], stills: [], name: null };
  const on = lane.spans.some((span) => span.live);
  const there = on ? "on" : camera === undefined || camera.online === false ? "away" : camera.online && state.server.connected ? "online" : "";
  const track = made("div", "track");
  for (const one of view.ticks) track.append(bar("tick", one, one, view));
  for (const span of lane.spans) if (span.to > view.from) track.append(bar(span.live ? "live" : "past", span.from, span.to, view));
  for (const span of drawn.gaps) if (span.to > view.from) track.append(bar("gap", span.from, span.to, view));
  for (const span of lane.holds) if (span.to > view.from) track.append(bar("held", span.from, span.to, view));
  for (const one of lane.stills) if (one.at > view.from) track.append(bar(`still ${STILLS[one.status] ?? "requested"}`, one.at, one.at, view));
  const name = named(camera?.name ?? lane.name ?? id);
  name.title = [camera?.name ?? lane.name ?? id, camera?.role].filter(Boolean).join(" · ");
  const label = made("div", "name", made("span", "lamp"), name);
  return made("div", `lane ${there}`, label, track, made("span", "total time", lasting(total(lane))));
}

const STILLS = { uploaded: "uploaded", captured: "requested", requested: "requested", failed: "failed" };

function bar(name, from, to, view) {
  const element = made("i", name);
  const left = Math.max(0, view.place(from));
  element.style.left = `${left}%`;
  if (to > from) element.style.width = `${Math.min(100, view.place(to)) - left}%`;
  return element;
}

// ------------------------------------------------------------------------------------------------ lists

/** What a line is called, and its class; kinds of events come with the hello. */
let tags = {};
const OTHER_TAGS = { start: ["Start", "edge"], end: ["End", "edge"], still: ["Still", "failed"], camera: ["Camera", ""] };

const SAID = {
  start: (one) => [named(one.words ?? "a session"), more("begins")],
  end: (one) => [more(one.words)],
  cut: (one) => [one.fromName ? named(one.fromName) : null, one.fromName ? made("span", "arrow", "→") : null, named(one.name ?? "?"), more(one.words)],
  off_air: (one) => [one.fromName ? named(one.fromName) : "the program", " went off", more(one.words)],
  hold: (one) => [one.name === undefined ? "the program is held" : named(one.name)],
  release: (one) => [one.durationMs === undefined ? "" : `held for ${lasting(one.durationMs)}`],
  mode_change: (one) => [named(one.words ?? "")],
  still_marker: (one) => ["asked for", more(one.words)],
  still_capture: (one) => ["taken by ", named(one.name ?? "?")],
  still: (one) => ["failed: ", named(one.name ?? "?"), more(one.words)],
  gap: (one) => [blind(one), more(one.words)],
  camera: (one) => [named(one.name ?? "?"), more(one.words)],
  music_moment: (one) => [named(one.words ?? "")],
  marker: (one) => [named(one.words ?? "marked")],
};

function blind(gap) {
  if (gap.durationMs !== undefined) return `nothing heard for ${(gap.durationMs / 1000).toFixed(1)} s`;
  return gap.words === "first sight" ? "first heard: it ran before" : "no signal, for an unknown time";
}

function more(text) {
  if (!text) return null;
  const element = made("span", "more");
  element.append(" ", named(text));
  return element;
}

function drawHappened() {
  const rows = sorted.filter((one) => one.kind in SAID && (one.kind !== "still" || one.status === "failed"));
  const newest = rows.slice(narrow.matches && !showAll ? -SHOWN_NARROW : -SHOWN).reverse();
  byId("happened").replaceChildren(...newest.map((one) => {
    const [tag, name] = tags[one.kind] ?? [one.kind, ""];
    return made("li", name, made("span", "time", clock(one.at)), made("span", "tag", tag), made("span", "said", ...SAID[one.kind](one)));
  }));
  byId("nothing").hidden = newest.length > 0;
  byId("more").hidden = !narrow.matches || showAll || rows.length <= SHOWN_NARROW;
}

function drawSessions(sessions) {
  byId("no-sessions").hidden = sessions.length > 0;
  byId("sessions").replaceChildren(...sessions.map((one) => {
    const top = made("div", "top", named(one.title ?? one.key), made("span", one.status === "live" && !one.leftLive ? "live" : "quiet", one.status));
    const counts = [`${one.kept} kept`, state?.ledger.state === "none" ? "" : `${one.shipped} in the ledger`,
      one.waiting && state?.ledger.state !== "none" ? `${one.waiting} waiting` : "", one.dead ? `${one.dead} set aside` : ""].filter(Boolean);
    const begun = one.startedAt === null ? "" : `${new Date(one.startedAt).toLocaleDateString("en-CA")} ${clock(one.startedAt)}`;
    const rows = [top, made("p", "", [begun, ...counts].filter(Boolean).join(" · "))];
    if (one.stillsMissing.length) rows.push(made("p", "note", `${one.stillsMissing.length} still${one.stillsMissing.length > 1 ? "s" : ""} asked for that never arrived`));
    if (one.leftLive) rows.push(made("p", "note", `still says live; last entry ${clock(one.lastEntry)}`));
    return made("li", "", ...rows);
  }));
}

// ------------------------------------------------------------------------------------------------ begin

for (const input of document.querySelectorAll("input[name=span]")) {
  input.addEventListener("change", () => {
    spanMs = Number(input.value);
    draw();
  });
}
byId("more").addEventListener("click", () => {
  showAll = true;
  drawHappened();
});
narrow.addEventListener("change", drawHappened);
if (narrow.matches) document.querySelector("input[value='120000']").click();
setInterval(() => {
  watch();
  if (!lost) draw();
}, 1000);
setInterval(askSessions, SESSIONS_EVERY_MS);
connect();
