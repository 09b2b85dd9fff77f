// The picture: rows over time. It is drawn the same on a canvas and on paper, and draws only what is in view.

/** The rows of the picture, from above, for a lane height. */
function rowsOf(lane) {
  const rows = [];
  let y = 0;
  const add = (name, height, more = {}) => {
    rows.push({ name, y, height, ...more });
    y += height;
  };
  const small = Math.max(15, Math.round(lane * 0.58));
  add("axis", 24);
  if (modes.length) add("mode", small + 4);
  add("program", Math.round(lane * 1.25));
  if (holds.length) add("hold", small);
  lanes.forEach((_, index) => add(`camera-${index}`, lane, { camera: index }));
  for (const [name, list] of Object.entries(marks)) if (list.length) add(name, small);
  if (gaps.length) add("gap", small + 2);
  return { rows, height: y + 4 };
}

/** From moments to pixels. */
class View {
  constructor(from, to, width) {
    Object.assign(this, { from, to, width, scale: width / (to - from) });
  }

  x(at) {
    return (at - this.from) * this.scale;
  }

  at(x) {
    return this.from + x / this.scale;
  }
}

const STEPS = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map((seconds) => seconds * 1000),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60_000),
  ...[1, 2, 3, 6, 12, 24].map((hours) => hours * 3_600_000),
];
const LABEL = 78;

/** Round moments of the local clock, as many as have room for their label. */
function ticksOf(view) {
  const step = STEPS.find((one) => one * view.scale >= LABEL) ?? STEPS.at(-1);
  const ahead = offsetAt(view.from);
  const local = shoot.start + view.from + ahead;
  const ticks = [];
  for (let at = Math.ceil(local / step) * step - ahead - shoot.start; at <= view.to; at += step) ticks.push(at);
  return { step, ticks };
}

function tickLabel(at, step) {
  if (step < 1000) return clock(at, true).slice(0, 10);
  return step < 60_000 ? clock(at) : clock(at).slice(0, 5);
}

function drawPicture(painter, view, theme, layout) {
  const body = { top: 24, bottom: layout.height - 2 };
  drawAxis(painter, view, theme, body);
  for (const row of layout.rows) {
    if (row.name === "program") drawProgram(painter, view, theme, row);
    else if (row.camera !== undefined) drawLane(painter, view, theme, row, lanes[row.camera]);
  }
  drawUnknown(painter, view, theme, body);
  for (const row of layout.rows) {
    if (row.name === "mode") drawModes(painter, view, theme, row);
    else if (row.name === "hold") drawHolds(painter, view, theme, row);
    else if (row.name in marks) drawMarks(painter, view, row, shoot.marks[row.name][1] ? theme.accent : theme.soft, theme);
    else if (row.name === "gap") drawGaps(painter, view, theme, row);
    else if (row.camera !== undefined) drawStills(painter, view, theme, row, lanes[row.camera]);
  }
  if (shoot.live) drawOpenEnd(painter, view, theme, body);
}

function drawAxis(painter, view, theme, body) {
  const { step, ticks } = ticksOf(view);
  for (const at of ticks) {
    const x = Math.round(view.x(at)) + 0.5;
    painter.line([[x, body.top - 5], [x, body.bottom]], { line: theme.grid });
    const label = tickLabel(at, step);
    const wide = painter.measure(label, 11);
    const left = Math.max(1, x - wide / 2);
    if (left + wide < painter.width) painter.text(left, 10, label, { fill: theme.soft });
  }
  painter.line([[0, body.top - 0.5], [painter.width, body.top - 0.5]], { line: theme.line });
}

// ------------------------------------------------------------------ what was on air

const BIN = 2;

/** What of `list` is in view: the parts that are wide enough to be seen, and how full the pixels of the others are. */
function visible(list, view) {
  const wide = [];
  const bins = new Map();
  for (let index = firstAfter(list, view.from); index < list.length && list[index].at < view.to; index++) {
    const one = list[index];
    const left = Math.max(-2, view.x(one.at));
    const right = Math.min(view.width + 2, view.x(one.end));
    if (right - left >= BIN) {
      wide.push({ one, left, right });
      continue;
    }
    const bin = Math.floor((left + right) / 2 / BIN);
    const cameras = bins.get(bin) ?? bins.set(bin, new Map()).get(bin);
    cameras.set(one.camera, (cameras.get(one.camera) ?? 0) + right - left);
  }
  return { wide, bins };
}

/** Between its neighbours a block needs some width for its bands to be seen as such. */
const amongOthers = (paint, width) => (width < 6 ? { ...paint, bands: [] } : paint);

/** Cuts too close to be seen apart: how much of each pixel was whose, from below. `full`: these are all there were. */
function drawBins(painter, bins, theme, box, full = false) {
  for (const [bin, cameras] of bins) {
    const whole = full ? [...cameras.values()].reduce((sum, filled) => sum + filled, 0) : BIN;
    const least = full ? 1 : box.height * 0.3;
    let bottom = box.y + box.height;
    for (const [camera, filled] of [...cameras].sort((a, b) => a[0] - b[0])) {
      if (camera < 0) continue;
      const height = Math.max(least, Math.min(1, filled / whole) * box.height);
      const top = Math.max(box.y, bottom - height);
      painter.rect(bin * BIN, top, BIN, bottom - top, { fill: paintOf(theme, camera).fill });
      bottom = top;
    }
  }
}

function drawProgram(painter, view, theme, row) {
  const box = { y: row.y + 4, height: row.height - 8 };
  const { wide, bins } = visible(program, view);
  drawBins(painter, bins, theme, box, true);
  for (const { one, left, right } of wide) {
    if (one.camera < 0) continue;
    const paint = paintOf(theme, one.camera);
    // A sliver of the ground between two shots tells them apart whatever their colours are.
    const width = right - left - (right - left > 4 ? 1 : 0);
    painter.rect(left, box.y, width, box.height, amongOthers(paint, width));
    if (one.unsure) drawUnsure(painter, theme, left, right, box);
    const inside = Math.max(left, 0);
    const into = view.x(one.at + one.dissolve) - left;
    if (one.dissolve) drawDissolve(painter, view, theme, one, box);
    const start = inside + 6 + Math.max(0, one.dissolve ? into : 0);
    const room = Math.min(right, view.width) - start - 6;
    if (room > 18) {
      const label = fitted(called(one.camera), room, (text) => painter.measure(text, 11, 600));
      if (label) {
        // On a band a name needs ground of its own.
        if (paint.bands.length) {
          const ground = Math.min(16, box.height);
          painter.rect(start - 3, row.y + (row.height - ground) / 2, painter.measure(label, 11, 600) + 6, ground, { fill: paint.fill });
        }
        painter.text(start, row.y + row.height / 2, label, { fill: paint.ink, weight: 600 });
      }
    }
  }
}

/** The picture before goes over into this one: a wedge of it reaches into the block. */
function drawDissolve(painter, view, theme, one, box) {
  const [start, end] = [view.x(one.at), view.x(one.at + one.dissolve)];
  if (end - start < 3) return;
  const before = one.cut ? one.cut.from : NOTHING;
  const paint = before >= 0 ? paintOf(theme, before) : { fill: theme.card };
  painter.polygon([[start, box.y], [end, box.y], [start, box.y + box.height]], paint);
  painter.line([[start, box.y + box.height], [end, box.y]], { line: theme.card, width: 1.5 });
}

/** It was over before its end, at a moment that nobody told. */
function drawUnsure(painter, theme, left, right, box) {
  const middle = left + (right - left) / 2;
  painter.rect(middle, box.y, right - middle, box.height, { fill: theme.card, alpha: 0.5 });
  painter.line([[right - 1, box.y], [right - 1, box.y + box.height]], { line: theme.soft, dash: [2, 2] });
}

function drawLane(painter, view, theme, row, lane) {
  const height = Math.round(row.height * 0.54);
  const box = { y: Math.round(row.y + row.height * 0.42 - height / 2), height };
  const ground = box.y + height + 0.5;
  const [joined, left] = [view.x(lane.joined), view.x(lane.left)];
  if (left > 0 && joined < view.width) {
    painter.line([[Math.max(0, joined), ground], [Math.min(view.width, left), ground]], { line: theme.presence });
    for (const edge of [joined, left]) {
      if (edge > 1 && edge < view.width - 1) painter.line([[edge, ground], [edge, ground - 7]], { line: theme.presence, width: 1.5 });
    }
  }
  const paint = paintOf(theme, row.camera);
  const { wide, bins } = visible(lane.onAir, view);
  drawBins(painter, bins, theme, box);
  for (const fade of inView(lane.fades, view)) drawFade(painter, view, paint, fade, box);
  for (const { one, left: from, right } of wide) {
    const ramp = one.dissolve ? view.x(one.at + one.dissolve) - view.x(one.at) : 0;
    if (ramp < 3) painter.rect(from, box.y, right - from, box.height, paint);
    else {
      const start = view.x(one.at);
      const bottom = box.y + box.height;
      painter.polygon([[start, bottom], [start + ramp, box.y], [right, box.y], [right, bottom]], paint);
    }
    if (one.unsure) drawUnsure(painter, theme, from, right, box);
  }
}

/** What a dissolve goes away from fades out while the next fades in. */
function drawFade(painter, view, paint, fade, box) {
  const [start, end] = [view.x(fade.at), view.x(fade.end)];
  if (end - start < 3) return;
  painter.polygon([[start, box.y], [end, box.y + box.height], [start, box.y + box.height]], { ...paint, alpha: 0.75 });
}

// ------------------------------------------------------------------ times without a signal

function drawUnknown(painter, view, theme, body) {
  for (const one of inView(unknown, view)) {
    const [left, right] = [Math.max(0, view.x(one.at)), Math.min(view.width, view.x(one.end))];
    const width = Math.max(2, right - left);
    painter.rect(left, body.top, width, body.bottom - body.top, { fill: theme.gap, alpha: 0.1 });
    painter.rect(left, body.top, width, body.bottom - body.top, { hatch: theme.gap, alpha: 0.42 });
  }
}

function drawGaps(painter, view, theme, row) {
  let free = -Infinity;
  const shown = inView(gaps, view);
  shown.forEach((one, index) => {
    const [left, right] = [view.x(one.at), Math.max(view.x(one.at) + 3, view.x(one.end))];
    const covered = one.rest === 1;
    const y = row.y + 3;
    const height = row.height - 6;
    painter.rect(left, y, right - left, height, covered ? { fill: theme.gap, alpha: 0.3 } : { fill: theme.gap });
    const start = Math.max(right + 5, 2);
    const next = shown[index + 1] ? view.x(shown[index + 1].at) : view.width;
    const name = one.more;
    const wide = painter.measure(name, 11);
    if (Math.min(right, view.width) - Math.max(0, left) > wide + 12) {
      painter.text(Math.max(0, left) + 6, row.y + row.height / 2, name, { fill: theme.card, weight: 600 });
    } else if (start > free && next - start > wide + 4) {
      painter.text(start, row.y + row.height / 2, name, { fill: theme.gap });
      free = start + wide + 8;
    } else if (left - wide - 6 > Math.max(0, free) && right > view.width - wide) {
      painter.text(left - 5, row.y + row.height / 2, name, { fill: theme.gap, align: "end" });
    }
  });
}

/** What of a list in order of time is in view. */
function inView(list, view) {
  const found = [];
  for (const one of list) if (one.end >= view.from && one.at <= view.to) found.push(one);
  return found;
}

/** It goes on, and nobody can say yet how. */
function drawOpenEnd(painter, view, theme, body) {
  const x = view.x(LENGTH);
  if (x > view.width) return;
  painter.rect(x, body.top, view.width - x, body.bottom - body.top, { fill: theme.raised });
  painter.line([[x, body.top], [x, body.bottom]], { line: theme.bad, width: 1.5, dash: [4, 3] });
  if (view.width - x > 60) painter.text(x + 6, body.top + 10, "still running", { fill: theme.bad, weight: 600 });
}

// ------------------------------------------------------------------ what lay over it

function drawModes(painter, view, theme, row) {
  const names = [...new Set(modes.map((mode) => mode.rest))];
  for (const one of inView(modes, view)) {
    const [left, right] = [Math.max(-2, view.x(one.at)), Math.min(view.width + 2, view.x(one.end))];
    const fill = names.indexOf(one.rest) % 2 ? theme.band2 : theme.band;
    painter.rect(left, row.y + 3, right - left - 1, row.height - 5, { fill });
    if (one.more) painter.line([[right - 2, row.y + 3], [right - 2, row.y + row.height - 2]], { line: theme.soft, dash: [2, 2] });
    const start = Math.max(0, left) + 7;
    const room = Math.min(right, view.width) - start - 5;
    if (room > 20) painter.text(start, row.y + row.height / 2, one.rest.replaceAll("_", " "), { fill: theme.text, room });
  }
}

function drawHolds(painter, view, theme, row) {
  const y = row.y + row.height / 2;
  for (const one of inView(holds, view)) {
    const [left, right] = [view.x(one.at), Math.max(view.x(one.at) + 2, view.x(one.end))];
    painter.line([[left, y], [right, y]], { line: theme.hold, width: 3 });
    for (const edge of [left + 1, right - 1]) painter.line([[edge, y - 5], [edge, y + 5]], { line: theme.hold, width: 2 });
  }
}

/** Moments: each as a triangle, with its words where these do not run into the next. */
function drawMarks(painter, view, row, colour, theme) {
  const y = row.y + row.height / 2;
  const shown = marks[row.name].map((mark) => [view.x(mark.at), mark]).filter(([x]) => x >= -6 && x <= view.width + 6);
  let last = -Infinity;
  shown.forEach(([x, mark], index) => {
    if (x - last < 3) return;
    last = x;
    painter.polygon([[x - 4, y - 4], [x + 4, y - 4], [x, y + 4]], { fill: colour });
    const room = (shown[index + 1]?.[0] ?? view.width) - x - 14;
    if (mark.words && painter.measure(mark.words, 11) <= room) painter.text(x + 8, y, mark.words, { fill: theme.soft });
  });
}

function drawStills(painter, view, theme, row, lane) {
  const y = row.y + row.height * 0.86;
  let last = { x: -Infinity, status: "" };
  for (const still of lane.stills) {
    const x = Math.min(view.x(LENGTH), Math.max(view.x(0), view.x(still.at)));
    if (x < -6 || x > view.width + 6 || (x - last.x < 3 && still.status === last.status)) continue;
    last = { x, status: still.status };
    drawMark(painter, theme, still.status, x, y, Math.min(4.5, row.height * 0.15));
  }
}

/** The state of a still, by its shape: colour only helps. */
function drawMark(painter, theme, status, x, y, r) {
  const diamond = [[x, y - r], [x + r, y], [x, y + r], [x - r, y]];
  const halo = { line: theme.card, width: 3 };
  if (status === "uploaded" || status === "captured") {
    painter.polygon(diamond, halo);
    painter.polygon(diamond, { fill: status === "uploaded" ? theme.text : theme.card, line: theme.text, width: 1.3 });
  } else if (status === "failed") {
    for (const paint of [{ line: theme.card, width: 4 }, { line: theme.bad, width: 1.8 }]) {
      painter.line([[x - r + 0.5, y - r + 0.5], [x + r - 0.5, y + r - 0.5]], paint);
      painter.line([[x - r + 0.5, y + r - 0.5], [x + r - 0.5, y - r + 0.5]], paint);
    }
  } else {
    painter.circle(x, y, r - 0.5, { ...halo, fill: theme.card });
    painter.circle(x, y, r - 0.5, { line: theme.warn, width: 1.5 });
  }
}
