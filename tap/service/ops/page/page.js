// The live page. Whatever a server named goes into textContent and nowhere else.
import { Cards } from "/card.js";
import { Line, byId, clocksOf, counted, lasting, lastingExactly, made, named, say } from "/common.js";
import { blocksOf, itemAt, itemsOf, lanesOf, ticksOf } from "/lanes.js";

const SHOWN = 80;
const SHOWN_NARROW = 12;
const KEPT = 3000;
const LANES = 60;
const SESSIONS_EVERY_MS = 10000;
const LATELY_MS = 12 * 3600000;
const PINNED_MS = 120000;
const NAMED_PX = 64;
const HALF_LABEL_PX = 30;

const happenings = new Map();
let sorted = [];
let past = null;
let pastAsked = null;
let status = null;
let state = null;
let sessions = [];
let offset = 0; // the server's clock less this browser's
let line = null;
let spanMs = 600000;
let pinned = null; // {from, to}: a part of the session that is looked at, however time goes on
let showAll = false;
let clocks = clocksOf(undefined);
const narrow = window.matchMedia("(max-width: 560px)");

const clock = (ms) => clocks.time(ms);
const now = () => (line === null || line.lost || line.heardAt === null ? (state?.now ?? Date.now()) : Date.now() + offset);

const cards = new Cards({
  clocks: () => clocks,
  announce,
  changed: () => state !== null && drawAir(now()),
  gone: () => askSessions(),
});

// ------------------------------------------------------------------------------------------------ contact

function lost(first) {
  if (first) announce("Lost contact with the tap");
  document.body.classList.add("lost-contact");
  byId("lost").hidden = false;
  say("lost-words", state === null ? "Trying again …" : `What you see is as of ${clock(state.now)}. Trying again …`);
}

function found() {
  document.body.classList.remove("lost-contact");
  byId("lost").hidden = true;
  announce("The tap is back");
}

// ------------------------------------------------------------------------------------------------ what comes in

function takeHello(said) {
  status = said.status;
  tags = { ...said.kinds, ...OTHER_TAGS };
  clocks = clocksOf(status.zone ?? status.timezone);
  happenings.clear();
  listed = [];
  past = pastAsked = null;
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
    past = pastAsked = chosen = pinned = null;
    news = news.slice(news.indexOf(start));
    cards.over();
  }
  add(news);
  drawHappened();
  drawSoon();
  const end = news.findLast((one) => one.kind === "end");
  if (end !== undefined) setTimeout(() => cards.ended(end.key.slice("end/".length), end.at), 1000);
  if (news.some((one) => one.kind === "still")) askPictures();
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
  if (said.summaryUntil !== null && said.summaryUntil !== pastAsked) askPast(said.summaryUntil);
  drawState();
  drawSoon();
}

function announce(text) {
  byId("announce").textContent = text;
}

/** What is older than what is drawn one by one: in summary. */
async function askPast(until) {
  pastAsked = until;
  try {
    const answer = await fetch("/past.json");
    const said = answer.ok ? await answer.json() : null;
    if (said === null || state === null) return;
    past = said;
    for (const [key, one] of happenings) if (one.at < past.until && one.kind !== "start") happenings.delete(key);
    add([]);
    draw();
  } catch {
    pastAsked = null; // the line shows lost contact
  }
}

async function askSessions() {
  try {
    const answer = await fetch("/status.json");
    if (!answer.ok) return;
    sessions = (await answer.json()).sessions;
    drawSessions();
    cards.among(sessions.map((one) => one.key));
    const last = sessions[0];
    const lately = last !== undefined && last.status !== "live" && state !== null && state.wall - last.lastEntry < LATELY_MS;
    if (state?.session === null && lately && !line.lost) cards.ended(last.key, last.lastEntry);
  } catch {
    // The line shows lost contact.
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
    made("li", one.state, made("strong", "", one.words), made("span", "", [sinceWhen(one), `What to do: ${one.nextStep}`].filter(Boolean).join(". ")))));
  drawWay();
  say("foot", `pid ${status.pid} · up since ${clocks.day(status.startedAt)} ${clock(status.startedAt)} · ${counted(state.server.frames, "frame")} received`);
  const unknown = Object.keys(state.server.unknownTypes);
  if (unknown.length) byId("foot").append(` · unknown types: `, named(unknown.slice(0, 5).join(", ")));
}

const ago = (at) => (at === null ? "never" : state.wall - at < 5000 ? "just now" : `${lasting(state.wall - at)} ago`);

/** Who is away: for how long, where it is read first. */
function sinceWhen(reason) {
  if (reason.name === "server_away") return `Last signal ${ago(state.server.lastHeard)}`;
  return reason.name === "ledger_away" ? `Last answer ${ago(state.ledger.lastSuccess)}` : "";
}

function drawWay() {
  const { server, journal, ledger } = state;
  const red = state.health.reasons.some((one) => one.name.startsWith("server_") && one.state === "failing");
  way("server", red ? "failing" : server.connected ? "ok" : "none",
    server.connected ? `connected for ${lasting(state.wall - server.since)}` : `away: ${server.problem ?? ""}`,
    `${server.url} · last signal ${ago(server.lastHeard)}`);
  const stuck = journal.problem !== null;
  way("journal", stuck ? "failing" : journal.dead ? "degraded" : "ok",
    stuck ? journal.problem : `${(journal.pending + journal.shipped + journal.dead).toLocaleString("en")} entries saved`,
    [journal.inMemory ? `${journal.inMemory} in memory` : "", journal.dead ? `${journal.dead} rejected` : ""]
      .filter(Boolean).join(" · "));
  const lamps = { none: "none", idle: "ok", shipping: "ok", away: "degraded", blocked: "degraded" };
  const words = {
    none: "not configured: the journal saves everything",
    idle: "has everything",
    shipping: "accepts entries",
    away: `away: ${ledger.problem ?? "no answer"}`,
    blocked: `blocked: ${ledger.problem ?? ""}`,
  };
  way("ledger", lamps[ledger.state] ?? "failing", words[ledger.state] ?? ledger.state,
    ledger.state === "none" ? "" : `${ledger.waiting.toLocaleString("en")} pending · last answer ${ago(ledger.lastSuccess)}`);
}

function way(id, lamp, words, more) {
  const row = byId(id);
  row.className = lamp;
  row.querySelector(".words").replaceChildren(made("span", "", words), document.createElement("br"), made("span", "more", more));
}

// ------------------------------------------------------------------------------------------------ what runs

let asked = false;

/** Once for all that comes together. */
function drawSoon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

function draw() {
  asked = false;
  if (state === null) return;
  const at = now();
  say("clock", clock(at));
  say("zone", status.zone ?? status.timezone ?? "");
  drawAir(at);
  drawLanes(at);
}

function drawAir(at) {
  const { session, program, hold, heading } = state;
  const camera = state.cameras.find((one) => one.id === program?.cameraId);
  const live = session !== null && session.seen && program !== null && program.cameraId !== null && program.sure;
  byId("air").className = `air ${session === null ? "waiting" : live ? "live" : "unsure"}`;
  byId("air").hidden = session === null && cards.isOpen;
  byId("facts").hidden = session === null;
  byId("lanes-card").hidden = session === null && cards.isOpen;
  document.title = live ? `● ${program.name} – ${status.venue}` : `${session === null ? "Waiting" : "?"} – ${status.venue}`;
  byId("hold").hidden = hold === null || session === null;
  if (hold !== null) say("hold-time", lasting(at - hold.since));
  if (session === null) {
    say("air-label", "Waiting");
    say("program", "No session is running.");
    const begins = `The next one begins when ${state.waitsFor}.`;
    const there = program?.cameraId ? `On program meanwhile: ${program.name}` : "The server is there.";
    say("role", `${begins} ${state.server.connected ? there : `The server is not there. What to do: ${state.health.nextStep}.`}`);
    say("since", "");
    return;
  }
  say("air-label", live ? "On air" : !session.seen ? "Last seen on air" : "On air, not confirmed since the gap");
  if (session.seen && program !== null && program.cameraId === null) say("air-label", "On air");
  say("program", program === null ? "not known yet" : (program.name ?? "Nothing"));
  say("role", heading ? `→ ${heading.name}${heading.transition ? ` (${heading.transition})` : ""}` : (camera?.role ?? ""));
  const blind = blindSince();
  say("since", program === null ? "" : live ? `for ${lasting(at - program.since)}`
    : blind === null ? `since ${clock(program.since)}` : `from ${clock(program.since)}, no signal since ${clock(blind)} (${lasting(at - blind)})`);
  drawFacts(at, session);
}

/** Since when, by the server's clock, the running session is not seen; null: it is. */
function blindSince() {
  if (state.session === null || state.session.seen || state.server.lastHeard === null) return null;
  return state.server.lastHeard + (state.now - state.wall);
}

function drawFacts(at, session) {
  const totals = state.totals;
  say("session", session.title ?? session.key);
  // The beginning as the server's clock has it now, where that was set since.
  say("running", lasting(at - (happenings.get(`start/${session.key}`)?.at ?? session.startedAt)));
  say("mode", state.mode ?? "–");
  say("cuts", (totals?.cuts ?? session.counts.cut ?? 0).toLocaleString("en"));
  const gaps = session.gaps ? `${session.gaps} (${lasting(session.gapMs)})` : "0";
  say("gaps", blindSince() === null ? gaps : session.gaps ? `${gaps} + 1 open` : "1 open");
  const asked = Object.values(session.stills).reduce((sum, count) => sum + count, 0);
  const failed = session.stills.failed ? `, ${session.stills.failed} failed` : "";
  say("stills", asked ? `${session.stills.uploaded ?? 0} of ${asked}${failed}` : "0");
  const online = state.cameras.filter((one) => one.online !== false).length;
  say("cameras", online === state.cameras.length ? String(online + state.moreCameras) : `${online} of ${state.cameras.length + state.moreCameras}`);
}

// ------------------------------------------------------------------------------------------------ the lanes

const rows = new Map(); // camera id → what is drawn of it
let view = null;
let drawn = null;
let chosen = null; // {id, index, item}: what the keyboard or a finger is at

function viewOf(at) {
  const px = Math.max(60, trackWidth());
  if (pinned !== null) return { ...pinned, px };
  const begun = drawn.start ?? at - 600000;
  const wide = spanMs || Math.max(60000, drawn.end - begun);
  // A picture that is a pixel behind is not drawn again.
  const step = Math.max(1000, Math.ceil(wide / px / 1000) * 1000);
  const to = state.session === null ? drawn.end : Math.ceil(drawn.end / step) * step;
  return { from: spanMs ? to - spanMs : Math.min(begun, to - 60000), to, px };
}

let measured = 0;
const trackWidth = () => (measured ||= (byId("lanes").clientWidth || 900) - (narrow.matches ? 0 : 254));

function drawLanes(at) {
  if (byId("lanes-card").hidden) return;
  drawn = lanesOf(sorted, state, at, past);
  view = viewOf(at);
  const known = new Map(state.cameras.map((one) => [one.id, one]));
  const ids = [...known.keys(), ...[...drawn.lanes.keys()].filter((id) => !known.has(id))].slice(0, LANES);
  byId("no-lanes").hidden = ids.length > 0;
  drawAxis();
  for (const [id, row] of rows) {
    if (!ids.includes(id)) {
      row.element.remove();
      rows.delete(id);
    }
  }
  ids.forEach((id, index) => {
    if (!rows.has(id)) rows.set(id, newRow(id));
    const row = rows.get(id);
    const before = byId("lanes").children[index + 1];
    if (before !== row.element) byId("lanes").insertBefore(row.element, before ?? null);
    drawRow(row, known.get(id), at);
  });
  if (![...rows.values()].some((row) => row.track.tabIndex === 0)) [...rows.values()][0]?.track.setAttribute("tabindex", "0");
  say("lanes-words", ids.map((id) => `${nameOf(id)}: ${lasting(totalOf(id, at))} on air`).join(", "));
  byId("summary").hidden = past === null;
  if (past !== null) {
    const numbers = state.totalsUnsure
      ? "Events came late: the numbers may be off until the session is read again, within a minute."
      : "The numbers are of the whole session; its report has every shot.";
    say("summary-words", `Before ${clock(past.until)} shots are drawn in summary. ${numbers}`);
    const key = state.session?.key ?? sorted.find((one) => one.kind === "start")?.key.slice("start/".length) ?? "";
    byId("summary-report").href = `/made/report?session=${encodeURIComponent(key)}`;
  }
  byId("unpin").hidden = pinned === null;
}

let axis = "";

function drawAxis() {
  const place = (moment) => (100 * (moment - view.from)) / (view.to - view.from);
  const ticks = ticksOf(view.from, view.to, Math.max(2, view.px / 110)).filter((one) => Math.min(place(one), 100 - place(one)) * view.px > 100 * HALF_LABEL_PX);
  const signature = ticks.map((one) => `${one}@${place(one).toFixed(2)}`).join();
  if (signature === axis && byId("lanes").firstElementChild !== null) return;
  axis = signature;
  const labels = made("div", "ticks");
  for (const one of ticks) {
    const label = made("span", "time", clock(one));
    label.style.left = `${place(one)}%`;
    labels.append(label);
  }
  const row = made("div", "axis", made("span"), labels, made("span", "total", "on air"));
  row.setAttribute("aria-hidden", "true");
  const first = byId("lanes").firstElementChild;
  if (first?.className === "axis") first.replaceWith(row);
  else byId("lanes").prepend(row);
}

function newRow(id) {
  const track = made("button", "track");
  track.type = "button";
  track.tabIndex = -1;
  const name = made("div", "name", made("span", "lamp"), named(""));
  const total = made("span", "total time");
  const blocks = made("span", "blocks");
  blocks.setAttribute("aria-hidden", "true");
  track.append(blocks);
  const row = { id, track, blocks, name, total, element: made("div", "lane", name, track, total), signature: "" };
  track.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(row, event.offsetX, false));
  track.addEventListener("pointerleave", () => chosen === null && say("detail-words", HINT));
  // A click by the keyboard has no place: Enter is handled below.
  track.addEventListener("click", (event) => event.detail > 0 && point(row, event.offsetX, true));
  track.addEventListener("keydown", (event) => step(row, event));
  track.addEventListener("focus", () => {
    for (const other of rows.values()) other.track.tabIndex = other === row ? 0 : -1;
  });
  return row;
}

function drawRow(row, camera, at) {
  const lane = laneOf(row.id);
  const on = lane.spans.some((span) => span.live);
  const there = on ? "on" : camera === undefined || camera.online === false ? "away" : camera.online && state.server.connected ? "online" : "";
  const looks = `lane ${there} c${camera?.colour ?? rows.size % 8} ${camera?.texture ?? "plain"}`;
  if (row.element.className !== looks) row.element.className = looks;
  const name = nameOf(row.id);
  if (row.name.lastChild.textContent !== name) {
    row.name.lastChild.textContent = name;
    row.name.title = [name, camera?.role].filter(Boolean).join(" · ");
  }
  const total = lasting(totalOf(row.id, at));
  if (row.total.textContent !== total) row.total.textContent = total;
  const label = `${name}${on ? ", on air now" : ""}. Arrow keys step through its shots, Enter looks closer.`;
  if (row.track.getAttribute("aria-label") !== label) row.track.setAttribute("aria-label", label);
  const blocks = blocksOf(row.id, lane, drawn.gaps, view, past);
  const begun = drawn.start === null ? 0 : Math.max(0, Math.min(view.px, ((drawn.start - view.from) * view.px) / (view.to - view.from)));
  if (begun > 0.5) blocks.unshift({ kind: "before", left: 0, width: begun });
  if (chosen?.id === row.id) blocks.push(markOf(chosen.item));
  const signature = `${name} ${blocks.map((one) => `${one.kind}${one.share ?? ""}@${one.left.toFixed(1)}+${one.width.toFixed(1)}`).join()}`;
  if (signature === row.signature) return;
  row.signature = signature;
  row.blocks.replaceChildren(...blocks.map((one) => blockOf(one, name)));
}

function blockOf(one, name) {
  const element = made("i", one.share === undefined ? one.kind : `${one.kind} s${one.share}`);
  element.style.left = `${(100 * one.left) / view.px}%`;
  if (one.width > 0) element.style.width = `${(100 * one.width) / view.px}%`;
  if (one.width >= NAMED_PX && (one.kind === "live" || one.kind === "past")) element.dataset.name = name;
  return element;
}

function markOf(item) {
  const place = (at) => Math.max(0, Math.min(view.px, ((at - view.from) * view.px) / (view.to - view.from)));
  return { kind: "mark", left: place(item.from), width: Math.max(4, place(item.to) - place(item.from)) };
}

const laneOf = (id) => drawn.lanes.get(id) ?? { spans: [], holds: [], stills: [], name: null };
const nameOf = (id) => state.cameras.find((one) => one.id === id)?.name ?? drawn.lanes.get(id)?.name ?? id;

/** On air in the whole session: as the tap counts it, and what went on since it said so. */
function totalOf(id, at) {
  const told = state.totals?.onAirMs[id] ?? 0;
  const runs = state.session?.seen && state.program?.sure && state.program.cameraId === id;
  if (state.totals !== null) return told + (runs ? Math.max(0, at - state.now) : 0);
  const summed = (past?.steps ?? []).reduce((sum, step) => sum + (step[id] ?? 0), 0);
  return laneOf(id).spans.reduce((sum, span) => sum + span.to - span.from, summed);
}

// ------------------------------------------------------------------------------------------------ details

const HINT = "Point at a lane, tap it, or step through it with the arrow keys.";

function describe(id, item) {
  const { one } = item;
  const span = `${clocks.exact(item.from)} to ${clocks.exact(item.to)}, ${lastingExactly(item.to - item.from)}`;
  const words = {
    shot: () => `${nameOf(id)} ${one.live ? "on air" : "was on air"} ${one.live ? `since ${clocks.exact(item.from)}, ${lastingExactly(now() - item.from)}` : span}${one.words ? `, ${one.words}` : ""}`,
    hold: () => `Hold on ${nameOf(id)} ${span}`,
    still: () => `Still of ${nameOf(id)} at ${clocks.exact(item.from)}: ${STILL_WORDS[one.status] ?? one.status}${one.words ? `, ${one.words}` : ""}`,
    gap: () => `No signal ${span}`,
  };
  return words[item.kind]();
}

const STILL_WORDS = { uploaded: "arrived", captured: "taken, on its way", requested: "requested", failed: "failed" };

/** By mouse or finger: what is at this place of a lane. `stays`: until something else is chosen. */
function point(row, x, stays) {
  if (drawn === null || view === null) return;
  const perPx = (view.to - view.from) / row.track.clientWidth;
  const at = view.from + x * perPx;
  const items = itemsOf(laneOf(row.id), drawn.gaps);
  const item = itemAt(items, at, 8 * perPx);
  if (item === null) {
    if (stays) choose(null);
    const before = (drawn.start !== null && at < drawn.start) || at > drawn.end;
    const summed = past !== null && at < past.until;
    say("detail-words", `${nameOf(row.id)} at ${clocks.exact(at)}: ${before ? "before the session" : summed ? "in summary" : "not on air"}`);
  } else if (stays) choose({ id: row.id, item, index: items.indexOf(item) });
  else say("detail-words", describe(row.id, item));
}

function choose(what, aloud = false, note = "") {
  chosen = what;
  const words = [what === null ? (note ? "" : HINT) : describe(what.id, what.item), note].filter(Boolean).join(". ");
  say("detail-words", words);
  if (aloud) announce(words);
  showPicture(what?.item.kind === "still" ? pictures.get(what.item.one.key) : undefined);
  draw();
}

function step(row, event) {
  const ids = [...byId("lanes").querySelectorAll(".track")];
  const up = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (up !== undefined) {
    event.preventDefault();
    ids[ids.indexOf(row.track) + up]?.focus();
    return;
  }
  if (event.key === "Escape") {
    event.preventDefault();
    pin(null);
    choose(null);
    return;
  }
  const items = itemsOf(laneOf(row.id), drawn.gaps);
  if (event.key === "Enter" && chosen?.id === row.id) {
    event.preventDefault();
    pin(pinned === null ? chosen.item : null);
    return;
  }
  const here = chosen?.id === row.id ? Math.max(0, items.findIndex((one) => one.kind === chosen.item.kind && one.from === chosen.item.from)) : items.length;
  const goes = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: items.length - 1 }[event.key];
  if (goes === undefined || (items.length === 0 && past === null)) return;
  event.preventDefault();
  if (items.length === 0) {
    choose(null, true, `${nameOf(row.id)}: no shot since ${clock(past.until)}. ${OLDER}`);
    return;
  }
  const index = Math.max(0, Math.min(items.length - 1, goes));
  const item = items[index];
  if (item.to < view.from || item.from > view.to) pin(item);
  choose({ id: row.id, item, index }, true, past !== null && goes <= 0 ? `This is the first that is drawn by itself. ${OLDER}` : "");
}

/** Where the keyboard comes to the summary, which has no single shots. */
const OLDER = "Older shots cannot be stepped through here: the report, linked below, has them.";

/** Look at a part of the session closely, however time goes on; null: back to now. */
function pin(item) {
  if (item === null) pinned = null;
  else {
    const middle = (item.from + item.to) / 2;
    const half = Math.max(PINNED_MS, 1.4 * (item.to - item.from)) / 2;
    pinned = { from: middle - half, to: middle + half };
  }
  draw();
}

// ------------------------------------------------------------------------------------------------ pictures

const pictures = new Map(); // still key → data: URI
let picturesAt = -Infinity;
let picturesLater = null;

/** The venue's stills, small, if it gives them: requested when one moved on, and not too often. */
function askPictures() {
  if (state?.session === null || !status?.pictures || picturesLater !== null) return;
  const wait = Math.max(2000, picturesAt + 25000 - performance.now());
  picturesLater = setTimeout(async () => {
    picturesLater = null;
    picturesAt = performance.now();
    try {
      const answer = await fetch(`/made/card?session=${encodeURIComponent(state.session?.key ?? "")}`);
      if (answer.ok) takePictures((await answer.json()).stills);
    } catch {
      // The line shows lost contact.
    }
  }, wait);
}

function takePictures(stills) {
  for (const one of stills) if (one.picture?.startsWith("data:image/jpeg;base64,")) pictures.set(one.key, one.picture);
  const newest = stills.filter((one) => pictures.has(one.key)).at(-1);
  if (newest !== undefined && chosen === null) {
    say("detail-words", `Newest still: ${newest.camera} at ${clocks.exact(newest.at)}`);
    showPicture(pictures.get(newest.key));
  }
}

function showPicture(uri) {
  document.getElementById("picture")?.remove();
  if (uri === undefined) return;
  const picture = document.createElement("img");
  picture.id = "picture";
  picture.alt = byId("detail-words").textContent;
  picture.src = uri;
  byId("detail").append(picture);
}

// ------------------------------------------------------------------------------------------------ lists

/** What a line is called, and its class; kinds of events come with the hello. */
let tags = {};
const OTHER_TAGS = { start: ["Start", "edge"], end: ["End", "edge"], still: ["Still", "failed"], camera: ["Camera", ""] };

/** What a line says, where that is more than its words: of any other kind of event they are all. */
const SAID = {
  start: (one) => [named(one.words ?? "a session"), more("begins")],
  end: (one) => [more(one.words)],
  cut: (one) => [one.fromName ? named(one.fromName) : null, one.fromName ? made("span", "arrow", "→") : null, named(one.name ?? "?"), more(one.words)],
  off_air: (one) => [one.fromName ? named(one.fromName) : "the program", " went off", more(one.words)],
  hold: (one) => [one.name === undefined ? "the program is held" : named(one.name)],
  release: (one) => [one.durationMs === undefined ? "" : `held for ${lasting(one.durationMs)}`],
  still_marker: (one) => ["requested", more(one.words)],
  still_capture: (one) => ["taken by ", named(one.name ?? "?")],
  still: (one) => ["failed: ", named(one.name ?? "?"), more(one.words), more("to be taken again")],
  gap: (one) => [blind(one), more(one.words)],
  camera: (one) => [named(one.name ?? "?"), more(one.words)],
  marker: (one) => [named(one.words ?? "marked")],
};

function blind(gap) {
  if (gap.durationMs !== undefined) return `no signal for ${(gap.durationMs / 1000).toFixed(1)} s`;
  return gap.words === "first sight" ? "first signal: it was running before" : "no signal, for an unknown time";
}

function more(text) {
  if (!text) return null;
  const element = made("span", "more");
  element.append(" ", named(text));
  return element;
}

let listed = []; // the lines that are shown, newest first

function drawHappened() {
  const lines = sorted.filter((one) => one.kind in tags && (one.kind !== "still" || one.status === "failed"));
  const newest = lines.slice(narrow.matches && !showAll ? -SHOWN_NARROW : -SHOWN).reverse();
  const list = byId("happened");
  const fresh = listed.length ? newest.indexOf(listed[0]) : -1;
  const kept = newest.length - fresh;
  // Mostly some lines are new, and the rest goes on.
  if (fresh > 0 && newest.slice(fresh).every((one, index) => one === listed[index])) {
    while (list.children.length > kept) list.lastElementChild.remove();
    list.prepend(...newest.slice(0, fresh).map(lineOf));
  } else if (fresh !== 0 || newest.length !== listed.length || newest.some((one, index) => one !== listed[index])) {
    list.replaceChildren(...newest.map(lineOf));
  }
  listed = newest;
  byId("nothing").hidden = newest.length > 0;
  say("nothing", state.session === null ? "Nothing since the tap started." : "Nothing yet.");
  byId("more").hidden = !narrow.matches || showAll || lines.length <= SHOWN_NARROW;
}

function lineOf(one) {
  const [tag, name] = tags[one.kind];
  const said = SAID[one.kind]?.(one) ?? [named(one.words ?? "")];
  return made("li", name, made("span", "time", clock(one.at)), made("span", "tag", tag), made("span", "said", ...said));
}

function drawSessions() {
  byId("no-sessions").hidden = sessions.length > 0;
  byId("sessions").replaceChildren(...sessions.map((one) => {
    const live = one.status === "live" && !one.leftLive;
    const top = made("span", "top", named(one.title ?? one.key), made("span", live ? "live" : "quiet", one.status));
    const counts = [`${one.kept.toLocaleString("en")} saved`, state?.ledger.state === "none" ? "" : `${one.shipped.toLocaleString("en")} in the ledger`,
      one.waiting && state?.ledger.state !== "none" ? `${one.waiting} pending` : "", one.dead ? `${one.dead} rejected` : ""].filter(Boolean);
    const begun = one.startedAt === null ? "" : `${clocks.day(one.startedAt)} ${clock(one.startedAt)}`;
    const inside = [top, made("span", "line", [begun, ...counts].filter(Boolean).join(" · "))];
    if (one.stillsMissing.length) inside.push(made("span", "line note", `${counted(one.stillsMissing.length, "still")} missing`));
    if (one.leftLive) inside.push(made("span", "line note", `still says live; last entry ${clocks.day(one.lastEntry)} ${clock(one.lastEntry)}`));
    const link = made("button", "session", ...inside);
    link.type = "button";
    link.addEventListener("click", () => cards.open(one.key, true));
    return made("li", "", link);
  }));
}

// ------------------------------------------------------------------------------------------------ begin

for (const input of document.querySelectorAll("input[name=span]")) {
  input.addEventListener("change", () => {
    spanMs = Number(input.value);
    pin(null);
  });
}
byId("unpin").addEventListener("click", () => {
  pin(null);
  choose(null);
});
byId("more").addEventListener("click", () => {
  showAll = true;
  drawHappened();
});
narrow.addEventListener("change", () => drawHappened());
window.addEventListener("resize", () => {
  measured = 0;
  draw();
});
if (narrow.matches) document.querySelector("input[value='120000']").click();
line = new Line({ hello: takeHello, happened: takeHappenings, now: takeNow }, { lost, found });
setInterval(() => {
  line.watch();
  if (!line.lost) draw();
}, 1000);
setInterval(askSessions, SESSIONS_EVERY_MS);
