// From happenings to lanes: who was on air when, with holds, stills and gaps; and from lanes to the few blocks that are
// drawn. Nothing here touches the page.

const FIRST_SIGHT = "first sight";

/** The spans of each camera, as of `now` (the server's clock). `state` is what the service said last, or null;
 *  `past` is the summary of what is older than the happenings, or null. */
export function lanesOf(happenings, state, now, past = null) {
  const lanes = new Map();
  const gaps = [];
  const session = state?.session ?? null;
  let on = null;
  let held = null;
  let start = null;
  let told = null;
  let end = null;

  const lane = (camera) => {
    if (!lanes.has(camera)) lanes.set(camera, { spans: [], holds: [], stills: [], name: null });
    return lanes.get(camera);
  };
  const leave = (at) => {
    if (on !== null && at > on.from) lane(on.camera).spans.push({ ...on, to: at, live: false });
    on = null;
  };
  const letGo = (at) => {
    if (held !== null && at > held.from) lane(held.camera).holds.push({ from: held.from, to: at });
    held = null;
  };
  const enter = (camera, at, words) => {
    leave(at);
    if (camera !== undefined && camera !== null) on = { camera, from: at, words };
  };

  if (past !== null) {
    start = past.start;
    if (past.program !== null) on = { camera: past.program, from: past.programSince, words: "" };
    if (past.held) held = { camera: past.held, from: past.heldSince };
  }
  for (const one of happenings) {
    if (one.camera !== undefined && one.name !== undefined) lane(one.camera).name = one.name;
    if (one.kind === "start") {
      start = one.at;
      if (past === null) enter(one.camera, one.at, "on air at the start");
    } else if (past !== null && one.at < past.until && one.kind !== "still") {
      continue;
    } else if (one.kind === "cut") {
      enter(one.camera, one.at, one.words ?? "");
    } else if (one.kind === "off_air") {
      leave(one.at);
    } else if (one.kind === "gap") {
      // A first sight has no length: there was no signal since the session began. Where nobody knows how long the tap
      // was away, it is since the last event.
      const sight = one.durationMs === undefined && one.words === FIRST_SIGHT;
      const begun = sight ? start : told;
      const from = one.durationMs === undefined ? (begun ?? one.at) : one.at - one.durationMs;
      const first = sight ? on?.camera : undefined;
      if (one.at > from) gaps.push({ from, to: one.at });
      leave(Math.max(from, on?.from ?? from));
      letGo(from);
      enter(one.camera ?? first, one.at, "on air after the gap");
    } else if (one.kind === "hold") {
      letGo(one.at);
      const camera = one.camera ?? on?.camera;
      if (camera !== undefined) held = { camera, from: one.at };
    } else if (one.kind === "release") {
      letGo(one.at);
    } else if (one.kind === "still" && one.camera !== undefined) {
      lane(one.camera).stills.push({ at: one.at, status: one.status ?? "requested", words: one.words ?? "", key: one.key });
    } else if (one.kind === "end" && session === null) {
      end = one.at;
      leave(one.at);
      letGo(one.at);
    }
    told = one.at;
  }

  if (session !== null) {
    if (!session.seen && state.server.lastHeard !== null) {
      const from = state.server.lastHeard + (state.now - state.wall);
      gaps.push({ from, to: now });
      leave(from);
      letGo(from);
    }
    if (state.hold === null || !session.seen) letGo(now);
    else if (held === null) {
      const camera = state.hold.cameraId ?? on?.camera;
      if (camera !== undefined) held = { camera, from: state.hold.since };
    }
    if (held !== null) lane(held.camera).holds.push({ from: held.from, to: now });
    if (on !== null) lane(on.camera).spans.push({ ...on, to: now, live: state.program?.sure ?? false });
  } else {
    leave(end ?? now);
    letGo(end ?? now);
  }
  return { lanes, gaps, start, end: end ?? now };
}

const COLUMN_PX = 3;
/** How close two marks may be before they are drawn as one. */
const STILL_PX = 8;

/** What is drawn of one lane in a view `{from, to, px}`: a bounded number of blocks, whatever happened. */
export function blocksOf(id, lane, gaps, view, past = null) {
  const columns = new Array(Math.ceil(view.px / COLUMN_PX)).fill(0);
  const perMs = view.px / Math.max(1, view.to - view.from);
  const place = (at) => Math.max(0, Math.min(view.px, (at - view.from) * perMs));
  const blocks = [];
  const share = (from, to, weight) => {
    const [a, b] = [place(from), place(to)];
    for (let index = Math.floor(a / COLUMN_PX); index < columns.length && index * COLUMN_PX < b; index += 1) {
      const part = Math.min(b, (index + 1) * COLUMN_PX) - Math.max(a, index * COLUMN_PX);
      columns[index] += (weight * Math.max(0, part)) / COLUMN_PX;
    }
  };
  for (const span of lane.spans) {
    if (span.to <= view.from || span.from >= view.to) continue;
    const [left, right] = [place(span.from), place(span.to)];
    if (right - left >= COLUMN_PX || span.live) {
      blocks.push({ kind: span.live ? "live" : "past", left, width: Math.max(COLUMN_PX, right - left) });
    } else share(span.from, span.to, 1);
  }
  for (const [index, step] of (past?.steps ?? []).entries()) {
    const from = past.start + index * past.stepMs;
    if (step[id] && from + past.stepMs > view.from && from < view.to) share(from, from + past.stepMs, step[id] / past.stepMs);
  }
  columns.forEach((part, index) => {
    if (part > 0) blocks.push({ kind: "dense", left: index * COLUMN_PX, width: COLUMN_PX, share: Math.max(1, Math.ceil(Math.min(1, part) * 5)) });
  });
  blocks.push(...joined(gaps, "gap", view, place));
  blocks.push(...joined(lane.holds, "held", view, place));
  let last = -Infinity;
  for (const one of lane.stills) {
    if (one.at < view.from || one.at > view.to) continue;
    const left = place(one.at);
    const kind = `still ${STILLS[one.status] ?? "requested"}`;
    if (left - last >= STILL_PX || kind.endsWith("failed")) {
      blocks.push({ kind, left, width: 0 });
      last = left;
    }
  }
  return blocks;
}

/** Spans that would touch each other are drawn as one. */
function joined(spans, kind, view, place) {
  const found = [];
  for (const span of spans) {
    if (span.to <= view.from || span.from >= view.to) continue;
    const [left, right] = [place(span.from), Math.max(place(span.to), place(span.from) + 2)];
    const before = found[found.length - 1];
    if (before !== undefined && left - (before.left + before.width) < COLUMN_PX) {
      before.width = Math.max(before.width, right - before.left);
    } else found.push({ kind, left, width: right - left });
  }
  return found;
}

export const STILLS = { uploaded: "uploaded", captured: "requested", requested: "requested", failed: "failed" };

/** All of a lane that can be looked at, in the order of time. */
export function itemsOf(lane, gaps) {
  const item = (kind) => (one) => ({ kind, from: one.from ?? one.at, to: one.to ?? one.at, one });
  const all = [...lane.spans.map(item("shot")), ...lane.holds.map(item("hold")), ...lane.stills.map(item("still")), ...gaps.map(item("gap"))];
  return all.sort((a, b) => a.from - b.from);
}

/** The item at a moment: the nearest still, else what covers it. `near` is how many ms a still may be away. */
export function itemAt(items, at, near) {
  const stills = items.filter((one) => one.kind === "still" && Math.abs(one.from - at) <= near);
  if (stills.length) return stills.reduce((a, b) => (Math.abs(a.from - at) <= Math.abs(b.from - at) ? a : b));
  const order = ["gap", "shot", "hold"];
  const covering = items.filter((one) => one.kind !== "still" && one.from <= at && at < one.to);
  return covering.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))[0] ?? null;
}

const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200].map((seconds) => seconds * 1000);

/** The moments to label between `from` and `to`, at most about `most` of them. */
export function ticksOf(from, to, most) {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? STEPS[STEPS.length - 1];
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}
