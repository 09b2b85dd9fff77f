// From happenings to lanes: who was on air when, with holds, stills and gaps. Nothing here touches the page.

const FIRST_SIGHT = "first sight";

/** The spans of each camera, as of `now` (the server's clock). `state` is what the service said last, or null. */
export function lanesOf(happenings, state, now) {
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
    if (on !== null && at > on.from) lane(on.camera).spans.push({ from: on.from, to: at, live: false });
    on = null;
  };
  const letGo = (at) => {
    if (held !== null && at > held.from) lane(held.camera).holds.push({ from: held.from, to: at });
    held = null;
  };
  const enter = (camera, at) => {
    leave(at);
    if (camera !== undefined && camera !== null) on = { camera, from: at };
  };

  for (const one of happenings) {
    if (one.camera !== undefined && one.name !== undefined) lane(one.camera).name = one.name;
    if (one.kind === "start") {
      start = one.at;
      enter(one.camera, one.at);
    } else if (one.kind === "cut") {
      enter(one.camera, one.at);
    } else if (one.kind === "off_air") {
      leave(one.at);
    } else if (one.kind === "gap") {
      // A first sight has no length: nothing was heard since the session began. Where nobody knows how long the tap
      // was away, it is since the last that was told.
      const sight = one.durationMs === undefined && one.words === FIRST_SIGHT;
      const begun = sight ? start : told;
      const from = one.durationMs === undefined ? (begun ?? one.at) : one.at - one.durationMs;
      const first = sight ? on?.camera : undefined;
      if (one.at > from) gaps.push({ from, to: one.at });
      leave(Math.max(from, on?.from ?? from));
      letGo(from);
      enter(one.camera ?? first, one.at);
    } else if (one.kind === "hold") {
      letGo(one.at);
      const camera = one.camera ?? on?.camera;
      if (camera !== undefined) held = { camera, from: one.at };
    } else if (one.kind === "release") {
      letGo(one.at);
    } else if (one.kind === "still" && one.camera !== undefined) {
      lane(one.camera).stills.push({ at: one.at, status: one.status ?? "requested" });
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
    if (on !== null) lane(on.camera).spans.push({ from: on.from, to: now, live: state.program?.sure ?? false });
  } else {
    leave(end ?? now);
    letGo(end ?? now);
  }
  return { lanes, gaps, start, end: end ?? now };
}

const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200].map((seconds) => seconds * 1000);

/** The moments to label between `from` and `to`, at most about `most` of them. */
export function ticksOf(from, to, most) {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? STEPS[STEPS.length - 1];
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

/** A length of time: 0:07, 12:30, 1:02:03. */
export function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return parts[0] ? `${parts[0]}:${two(parts[1])}:${two(parts[2])}` : `${parts[1]}:${two(parts[2])}`;
}
