// The picture on the screen: zoom, pan, pointer, touch and keyboard. What holds is in `now`; `show` redraws from it.

const $ = (id) => document.getElementById(id);
const stage = $("stage");
const canvas = stage.querySelector("canvas");
const tip = $("tip");
const cross = stage.querySelector(".cross");
const SHORTEST = Math.min(WHOLE, 1000);
const now = { from: 0, to: WHOLE, width: 0, layout: undefined, view: undefined, chosen: -1, pending: false };

const laneHeight = () => (innerWidth <= 640 ? 30 : lanes.length > 16 ? 28 : 34);

/** Show another part: as long as it may be, and inside the shoot. */
function look(from, to) {
  const length = Math.min(WHOLE, Math.max(SHORTEST, to - from));
  now.from = Math.min(WHOLE - length, Math.max(0, from));
  now.to = now.from + length;
  show();
}

function zoom(factor, around = (now.from + now.to) / 2) {
  const length = Math.min(WHOLE, Math.max(SHORTEST, (now.to - now.from) * factor));
  const part = (around - now.from) / (now.to - now.from);
  look(around - part * length, around + (1 - part) * length);
}

const pan = (part) => look(now.from + part * (now.to - now.from), now.to + part * (now.to - now.from));

function show() {
  if (now.pending) return;
  now.pending = true;
  requestAnimationFrame(() => {
    now.pending = false;
    draw();
  });
}

function draw() {
  now.width = stage.clientWidth;
  if (!now.width) return;
  now.layout = rowsOf(laneHeight());
  stage.style.height = `${now.layout.height}px`;
  now.view = new View(now.from, now.to, now.width);
  drawPicture(new CanvasPainter(canvas, now.width, now.layout.height), now.view, themeNow(), now.layout);
  placeLabels();
  drawBrush();
  placeSpot();
  tellWindow();
  if (!performance.getEntriesByName("shoot-drawn").length) performance.mark("shoot-drawn");
}

function placeLabels() {
  const rows = new Map(now.layout.rows.map((row) => [row.name, row]));
  for (const label of document.querySelectorAll(".label")) {
    const row = rows.get(label.dataset.row);
    label.hidden = !row;
    if (!row) continue;
    label.style.top = `${row.y}px`;
    label.style.height = `${row.camera === undefined ? row.height : row.height * 0.84}px`;
  }
}

function tellWindow() {
  const length = now.to - now.from;
  const whole = length >= WHOLE ? ", the whole shoot" : "";
  $("window").textContent = `${clock(now.from)} – ${clock(Math.min(now.to, LENGTH))} · ${lasting(Math.min(length, LENGTH))}${whole}`;
  for (const button of $("presets").children) {
    button.setAttribute("aria-pressed", String(Math.abs(Number(button.dataset.length) - length) < 1));
  }
  $("zoom-in").disabled = length <= SHORTEST;
  $("zoom-out").disabled = length >= WHOLE;
  $("earlier").disabled = now.from <= 0;
  $("later").disabled = now.to >= WHOLE;
}

// ------------------------------------------------------------------ the whole shoot, small

const overview = $("overview");
const brush = overview.querySelector(".brush");

function drawOverview() {
  const [width, height] = [overview.clientWidth, overview.clientHeight];
  if (!width) return;
  const painter = new CanvasPainter(overview.querySelector("canvas"), width, height);
  const view = new View(0, WHOLE, width);
  const theme = themeNow();
  const box = { y: 7, height: height - 14 };
  const { wide, bins } = visible(program, view);
  drawBins(painter, bins, theme, box, true);
  for (const { one, left, right } of wide) {
    if (one.camera >= 0) painter.rect(left, box.y, right - left, box.height, amongOthers(paintOf(theme, one.camera), right - left));
  }
  drawUnknown(painter, view, theme, { top: 0, bottom: height });
  for (const still of stills) painter.rect(view.x(still.at) - 0.5, height - 5, 1, 4, { fill: theme.text });
}

function drawBrush() {
  const scale = overview.clientWidth / WHOLE;
  brush.style.left = `${now.from * scale}px`;
  brush.style.width = `${Math.max(6, (now.to - now.from) * scale)}px`;
}

function moveBrush(event) {
  const box = overview.getBoundingClientRect();
  const middle = ((event.clientX - box.left) / box.width) * WHOLE;
  const half = (now.to - now.from) / 2;
  look(middle - half, middle + half);
}

overview.addEventListener("pointerdown", (event) => {
  overview.setPointerCapture(event.pointerId);
  moveBrush(event);
});
overview.addEventListener("pointermove", (event) => {
  if (overview.hasPointerCapture(event.pointerId)) moveBrush(event);
});

// ------------------------------------------------------------------ pointer and touch

const pointers = new Map();
let dragged = false;

function placeOf(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

stage.addEventListener("wheel", (event) => {
  const along = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.01), now.view.at(placeOf(event).x));
  } else if (Math.abs(along) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
    event.preventDefault();
    pan(along / now.width);
  }
}, { passive: false });

stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  dragged = false;
  pointers.set(event.pointerId, placeOf(event));
});

stage.addEventListener("pointermove", (event) => {
  const place = placeOf(event);
  const before = pointers.get(event.pointerId);
  if (before) dragTo(event, before, place);
  else if (event.pointerType !== "touch") hover(place);
});

function dragTo(event, before, place) {
  if (!dragged && Math.abs(place.x - before.x) < 4) return;
  if (!dragged) stage.setPointerCapture(event.pointerId);
  dragged = true;
  stage.classList.add("moving");
  hideTip();
  const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
  pointers.set(event.pointerId, place);
  if (others.length) {
    const spread = Math.max(20, Math.abs(place.x - others[0].x));
    zoom(Math.max(20, Math.abs(before.x - others[0].x)) / spread, now.view.at((place.x + others[0].x) / 2));
  } else {
    pan((before.x - place.x) / now.width);
  }
}

for (const name of ["pointerup", "pointercancel"]) {
  stage.addEventListener(name, (event) => {
    const known = pointers.delete(event.pointerId);
    if (!pointers.size) stage.classList.remove("moving");
    if (known && !dragged && name === "pointerup") tap(placeOf(event));
  });
}
stage.addEventListener("pointerleave", (event) => {
  if (event.pointerType !== "touch") hideTip();
});
stage.addEventListener("dblclick", (event) => zoom(0.4, now.view.at(placeOf(event).x)));

function hover({ x, y }) {
  cross.hidden = false;
  cross.style.transform = `translateX(${x}px)`;
  const found = hit(now.view, now.layout, x, y);
  if (!found) {
    tip.hidden = true;
    return;
  }
  tip.replaceChildren(...said(found));
  tip.hidden = false;
  const [width, height] = [tip.offsetWidth, tip.offsetHeight];
  const left = x + 16 + width > now.width ? x - 16 - width : x + 16;
  const top = Math.min(Math.max(4, y + 14), Math.max(4, now.layout.height - height - 4));
  tip.style.transform = `translate(${Math.max(2, left)}px, ${top}px)`;
}

function hideTip() {
  tip.hidden = cross.hidden = true;
}

function said({ title, lines, picture }) {
  const parts = [node("strong", title), ...lines.filter(Boolean).map((line) => node("div", line))];
  parts[0].dir = "auto";
  if (picture) parts.push(Object.assign(document.createElement("img"), { src: picture, alt: "" }));
  return parts;
}

/** An element with text in it: never markup, whatever a name says. */
function node(name, text, className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function tap({ x, y }) {
  const found = hit(now.view, now.layout, x, y);
  if (!found) return;
  if (found.event) choose(found.event.index, { focus: false });
  else tellDetails(found.title, found.lines.filter(Boolean).map((line) => ["", line]), found.picture);
}

// ------------------------------------------------------------------ one event at a time

/** The event that was chosen, as a thing that can have the focus; two, so that a screen reader hears of each move. */
const spots = [0, 1].map(() => {
  const spot = node("button", "", "spot");
  spot.type = "button";
  spot.tabIndex = -1;
  stage.append(spot);
  return spot;
});
let spot = spots[0];
spot.tabIndex = 0;
if (events.length) spot.setAttribute("aria-label", `${events.length} events. Right arrow for the first.`);
else spot.setAttribute("aria-label", "No events");

function choose(index, { focus = true, centre = false } = {}) {
  const event = events[index];
  if (!event) return;
  now.chosen = index;
  const margin = (now.to - now.from) * 0.06;
  const length = now.to - now.from;
  if (centre || event.at < now.from + margin || event.at > now.to - margin) look(event.at - length / 2, event.at + length / 2);
  spots.forEach((one) => one.classList.remove("shown"));
  spot = spots[(spots.indexOf(spot) + 1) % 2];
  spots.forEach((one) => (one.tabIndex = one === spot ? 0 : -1));
  spot.classList.add("shown");
  spot.setAttribute("aria-label", `${titled(event)}, ${clock(event.at)}${event.words ? `, ${event.words}` : ""}. ${index + 1} of ${events.length}`);
  show();
  if (focus) spot.focus({ preventScroll: true });
  const still = stills[event.still];
  tellDetails(titled(event), factsOf(event), still ? pictureOf(still.index) : "");
  for (const row of document.querySelectorAll("#rows .chosen")) row.classList.remove("chosen");
  document.querySelector(`#rows tr[data-event="${index}"]`)?.classList.add("chosen");
}

/** Put the chosen event's frame where its event is. */
function placeSpot() {
  const event = events[now.chosen];
  if (!event) return;
  const wanted = event.row === "camera" && event.camera >= 0 ? `camera-${event.camera}` : event.row;
  const row = now.layout.rows.find((one) => one.name === wanted) ?? now.layout.rows.find((one) => one.name === "program");
  const length = event.kind === "cut" ? onAirFor(event) ?? 0 : 0;
  const x = now.view.x(event.at);
  const width = Math.max(14, Math.min(now.view.x(event.at + length), now.width + 6) - x);
  const left = length * now.view.scale < 14 ? x - 7 : x;
  Object.assign(spot.style, { left: `${left}px`, top: `${row.y + 1}px`, width: `${width}px`, height: `${row.height - 2}px` });
}

function tellDetails(title, facts, picture) {
  const box = node("div", "");
  const heading = node("strong", title);
  heading.dir = "auto";
  const list = node("dl", "");
  for (const [name, value] of facts) {
    const told = node("dd", value);
    told.dir = "auto";
    list.append(node("dt", name), told);
  }
  box.append(heading, list);
  const image = picture ? [Object.assign(document.createElement("img"), { src: picture, alt: "" })] : [];
  $("details").replaceChildren(...image, box);
}

function nextOfKind(index, step) {
  const kind = events[index]?.kind;
  for (let at = index + step; events[at]; at += step) if (events[at].kind === kind) return at;
  return index;
}

/** The event to begin with: the first in view. */
function firstInView() {
  const index = events.findIndex((event) => event.at >= now.from);
  return index < 0 ? 0 : index;
}

const KEYS = {
  ArrowRight: () => choose(now.chosen < 0 ? firstInView() : Math.min(events.length - 1, now.chosen + 1)),
  ArrowLeft: () => choose(now.chosen < 0 ? firstInView() : Math.max(0, now.chosen - 1)),
  ArrowDown: () => choose(now.chosen < 0 ? firstInView() : nextOfKind(now.chosen, 1)),
  ArrowUp: () => choose(now.chosen < 0 ? firstInView() : nextOfKind(now.chosen, -1)),
  Home: () => choose(0),
  End: () => choose(events.length - 1),
  PageUp: () => pan(-0.8),
  PageDown: () => pan(0.8),
  "+": () => zoom(0.5, events[now.chosen]?.at),
  "=": () => zoom(0.5, events[now.chosen]?.at),
  "-": () => zoom(2, events[now.chosen]?.at),
  0: () => look(0, WHOLE),
  Enter: () => choose(now.chosen < 0 ? firstInView() : now.chosen, { centre: true }),
  " ": () => choose(now.chosen < 0 ? firstInView() : now.chosen, { centre: true }),
  Escape: () => hideTip(),
};

stage.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});

// ------------------------------------------------------------------ buttons

const PRESETS = [[60_000, "1 min"], [300_000, "5 min"], [900_000, "15 min"], [3_600_000, "1 h"], [14_400_000, "4 h"]];
for (const [length, name] of [...PRESETS.filter(([length]) => length < WHOLE), [WHOLE, "All"]]) {
  const button = node("button", name, "button");
  button.type = "button";
  button.dataset.length = length;
  button.addEventListener("click", () => {
    const around = events[now.chosen]?.at ?? (now.from <= 0 ? 0 : (now.from + now.to) / 2);
    look(around - length / 2, around + length / 2);
  });
  $("presets").append(button);
}
$("zoom-in").addEventListener("click", () => zoom(0.5));
$("zoom-out").addEventListener("click", () => zoom(2));
$("earlier").addEventListener("click", () => pan(-0.6));
$("later").addEventListener("click", () => pan(0.6));
