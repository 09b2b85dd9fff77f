// The rest of the page: the table of events, the theme, the legend, paper.

// ------------------------------------------------------------------ the table of events

const PAGE = 40;
const table = { page: 0, found: events };
const [byKind, byCamera, byText] = ["by-kind", "by-camera", "by-text"].map($);

for (const [kind, label] of shoot.kinds) byKind.append(new Option(label, kind));
shoot.cameras.forEach((camera, index) => byCamera.append(new Option(camera.name, index)));

function rowOf(event) {
  const row = document.createElement("tr");
  row.dataset.event = event.index;
  const shown = onAirFor(event);
  const time = node("button", clock(event.at, true));
  time.type = "button";
  time.setAttribute("aria-label", `${clock(event.at)}: show on the timeline`);
  const first = node("td", "", "time");
  first.append(time);
  row.append(first, node("td", event.timecode, "code opt"), node("td", event.label, "kind"), named(event.camera),
    node("td", shown === undefined ? "" : lasting(shown), "num opt"), words(event.words));
  return row;
}

function words(text) {
  const cell = document.createElement("td");
  cell.append(node("bdi", text));
  return cell;
}

function named(camera) {
  const cell = document.createElement("td");
  if (camera < 0) return cell;
  const label = node("span", "", "named");
  const chip = document.querySelector(`.label[data-row="camera-${camera}"] .chip`);
  if (chip) label.append(chip.cloneNode(true));
  label.append(node("bdi", called(camera)));
  cell.append(label);
  return cell;
}

function filter() {
  const text = byText.value.trim().toLocaleLowerCase();
  table.found = events.filter((event) =>
    (!byKind.value || event.kind === byKind.value)
    && (byCamera.value === "" || event.camera === Number(byCamera.value))
    && (!text || `${event.label} ${called(event.camera)} ${event.words} ${event.timecode}`.toLocaleLowerCase().includes(text)));
  table.page = 0;
  fill();
}

function fill() {
  const pages = Math.max(1, Math.ceil(table.found.length / PAGE));
  table.page = Math.max(0, Math.min(pages - 1, table.page));
  const first = table.page * PAGE;
  const shown = table.found.slice(first, first + PAGE);
  $("rows").replaceChildren(...shown.map(rowOf));
  const all = table.found.length === events.length ? "" : ` of ${events.length}`;
  $("found").textContent = table.found.length ? `${table.found.length}${all} events` : "Nothing like that happened.";
  $("page-which").textContent = shown.length ? `${first + 1} – ${first + shown.length}` : "";
  $("page-before").disabled = table.page === 0;
  $("page-after").disabled = table.page >= pages - 1;
}

for (const control of [byKind, byCamera]) control.addEventListener("change", filter);
byText.addEventListener("input", filter);
$("page-before").addEventListener("click", () => {
  table.page -= 1;
  fill();
});
$("page-after").addEventListener("click", () => {
  table.page += 1;
  fill();
});
$("rows").addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row) goTo(Number(row.dataset.event));
});

/** Show an event on the timeline: near enough to see it among its neighbours. */
function goTo(index) {
  if (now.to - now.from > 300_000) look(events[index].at - 60_000, events[index].at + 60_000);
  $("timeline-card").scrollIntoView({ block: "start" });
  choose(index, { centre: true });
}

for (const shot of document.querySelectorAll(".shot")) {
  shot.addEventListener("click", () => {
    const still = stills[Number(shot.dataset.still)];
    const event = stillEvent.get(still.index);
    if (event) {
      goTo(event.index);
      return;
    }
    const found = aboutStill(still);
    look(still.at - 60_000, still.at + 60_000);
    tellDetails(found.title, found.lines.map((line) => ["", line]), found.picture);
    $("timeline-card").scrollIntoView({ block: "start" });
  });
}

// ------------------------------------------------------------------ the legend

const MARKS = {
  uploaded: () => stills.some((still) => still.status === "uploaded"),
  captured: () => stills.some((still) => still.status === "captured"),
  requested: () => stills.some((still) => still.status === "requested"),
  failed: () => stills.some((still) => still.status === "failed"),
  dissolve: () => program.some((one) => one.dissolve),
  hold: () => holds.length,
  gap: () => unknown.length,
};

/** Of what occurs, how it is drawn: by the same code that draws it. */
function drawLegend() {
  const theme = themeNow();
  for (const item of document.querySelectorAll("#legend [data-mark]")) {
    const mark = item.dataset.mark;
    item.hidden = !MARKS[mark]();
    item.querySelector("svg")?.remove();
    if (item.hidden) continue;
    const painter = new SvgPainter(16, 12);
    if (mark === "gap") {
      painter.rect(0, 0, 16, 12, { fill: theme.gap, alpha: 0.12 });
      painter.rect(0, 0, 16, 12, { hatch: theme.gap, alpha: 0.6 });
    } else if (mark === "hold") {
      painter.line([[1, 6], [15, 6]], { line: theme.hold, width: 3 });
      for (const x of [2, 14]) painter.line([[x, 2], [x, 10]], { line: theme.hold, width: 2 });
    } else if (mark === "dissolve") {
      painter.polygon([[0, 12], [12, 0], [16, 0], [16, 12]], { fill: theme.soft });
      painter.polygon([[0, 0], [10, 0], [0, 10]], { fill: theme.presence });
    } else {
      drawMark(painter, theme, mark, 8, 6, 4.5);
    }
    item.prepend(painter.svg);
  }
}

// ------------------------------------------------------------------ light and dark

const THEMES = ["auto", "light", "dark"];
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  $("theme").textContent = `Theme: ${next}`;
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

function redraw() {
  drawOverview();
  drawLegend();
  show();
}

// ------------------------------------------------------------------ paper

const PAPER = 1030;
const PAPER_LABELS = 120;
const STRIP_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 240].map((minutes) => minutes * 60_000);
const MOST_STRIPS = 24;
const MOST_PRINTED = 500;

/** How much of the shoot is in one line on paper: cuts stay apart, and a long shoot stays a few pages. */
function stripLength() {
  const cuts = program.length / LENGTH;
  const fits = (step) => LENGTH / step <= MOST_STRIPS && (LENGTH / step <= 4 || cuts * step > 60);
  return STRIP_STEPS.find(fits) ?? LENGTH / MOST_STRIPS;
}

function printStrip(from, to, end, ruler) {
  const layout = rowsOf(17);
  const theme = shoot.themes.light;
  const painter = new SvgPainter(PAPER - PAPER_LABELS, layout.height, ruler);
  const view = new View(from, to, painter.width);
  drawPicture(painter, view, theme, layout);
  painter.svg.setAttribute("viewBox", `${-PAPER_LABELS} 0 ${PAPER} ${layout.height}`);
  // What reaches over the edge would run into the names.
  painter.rect(-PAPER_LABELS, 0, PAPER_LABELS, layout.height, { fill: "#ffffff" });
  painter.line([[0, 24], [0, layout.height]], { line: theme.line });
  for (const row of layout.rows) printLabel(painter, theme, row);
  const strip = node("div", "", "strip");
  strip.append(node("p", `${clock(from)} – ${clock(end)}`), painter.svg);
  return strip;
}

function printLabel(painter, theme, row) {
  const fixed = { mode: "Mode", program: "On air", hold: "Held", gap: "No signal" }[row.name] ?? shoot.marks[row.name]?.[0];
  const camera = row.camera === undefined ? undefined : shoot.cameras[row.camera];
  const y = row.y + row.height * (camera ? 0.42 : 0.5);
  if (camera) painter.rect(-PAPER_LABELS, y - 4.5, 9, 9, paintOf(theme, row.camera));
  const text = camera ? camera.name : fixed;
  const [x, room] = camera ? [-PAPER_LABELS + 14, PAPER_LABELS - 22] : [-PAPER_LABELS, PAPER_LABELS - 8];
  if (text) painter.text(x, y, text, { fill: camera ? theme.text : theme.soft, size: 10, room });
}

function toPaper() {
  if ($("strips").childElementCount) return;
  const ruler = new CanvasPainter(document.createElement("canvas"), 1, 1);
  const step = stripLength();
  for (let from = 0; from < LENGTH; from += step) {
    // A single strip need not be longer than the shoot; in several, a second is equally long in all.
    const to = step >= LENGTH ? LENGTH : from + step;
    $("strips").append(printStrip(from, to, Math.min(to, LENGTH), ruler));
  }
  const wanted = $("print-events").checked;
  $("rows").closest("table").classList.toggle("left-out", !wanted);
  if (wanted) $("rows").replaceChildren(...events.map(rowOf));
}

function fromPaper() {
  $("strips").replaceChildren();
  fill();
}

$("print-events").checked = events.length <= MOST_PRINTED;
$("print").addEventListener("click", () => print());
addEventListener("beforeprint", toPaper);
addEventListener("afterprint", fromPaper);
matchMedia("print").addEventListener("change", (event) => (event.matches ? toPaper() : fromPaper()));

// ------------------------------------------------------------------ begin

for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
new ResizeObserver(redraw).observe(stage);
redraw();
fill();
