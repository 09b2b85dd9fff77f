// What the page draws, as it was embedded, and how its times are said.

const shoot = JSON.parse(document.getElementById("shoot-data").textContent);
const NOTHING = -1;
const UNKNOWN = -2;
/** A session of no length at all still has a picture. */
const LENGTH = Math.max(1000, shoot.length);
/** What there is to look at: of a shoot that still runs a little more, for its open end. */
const WHOLE = shoot.live ? Math.ceil(LENGTH * 1.03) : LENGTH;

const events = shoot.events.map(([kind, at, camera, from, timecode, words, duration, still], index) => ({
  index, kind: shoot.kinds[kind][0], label: shoot.kinds[kind][1], row: shoot.kinds[kind][2], at, camera, from, timecode,
  words: shoot.words[words], duration, still,
}));
const stills = shoot.stills.map(([at, camera, status, name, after, program, why], index) => ({
  index, at, camera, status, name, after, program, why,
}));
const stillEvent = new Map(events.filter((one) => one.still !== NOTHING).map((one) => [one.still, one]));
const cutAt = new Map(events.filter((one) => one.kind === "cut").map((one) => [one.at, one]));
/** Moments that have a row of their own, by the row. */
const marks = Object.fromEntries(Object.keys(shoot.marks).map((row) => [row, events.filter((one) => one.row === row)]));

/** What was on air, in order: {at, end, camera, unsure, dissolve, cut}; `dissolve` is how long it took to come on. */
const program = shoot.program.map(([at, length, camera, unsure]) => {
  const cut = camera === UNKNOWN ? undefined : cutAt.get(at);
  const dissolve = cut === undefined ? 0 : Math.max(0, Math.min(cut.duration, length));
  return { at, end: at + length, camera, unsure: unsure === 1 || unsure === true, dissolve, cut };
});
const unknown = program.filter((one) => one.camera === UNKNOWN);
const lanes = shoot.cameras.map((camera, index) => ({
  ...camera,
  onAir: program.filter((one) => one.camera === index),
  // What a dissolve goes away from is seen until the dissolve is over.
  fades: program.filter((one) => one.dissolve && one.cut.from === index).map((one) => ({ at: one.at, end: one.at + one.dissolve })),
  stills: stills.filter((still) => still.camera === index).sort((a, b) => a.at - b.at),
}));
const span = ([at, length, rest, more]) => ({ at, end: at + length, rest, more });
const modes = shoot.modes.map(span);
const holds = shoot.holds.map(span);
const gaps = shoot.gaps.map(span);

/** The first of `list` (in order of time) that is not over before `at`. */
function firstAfter(list, at, when = (one) => one.end) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (when(list[middle]) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

// ------------------------------------------------------------------ how times are said

/** How far the local time is ahead of UTC at a moment (ms since the start). */
function offsetAt(at) {
  let offset = shoot.offsets[0][1];
  for (const [from, ahead] of shoot.offsets) if (shoot.start + at >= from) offset = ahead;
  return offset;
}

/** The local time of day of a moment: 20:14:03, with .250 on request. */
function clock(at, fraction = false) {
  const local = new Date(shoot.start + at + offsetAt(at)).toISOString();
  return local.slice(11, fraction ? 23 : 19);
}

/** A length of time: 0.4 s, 12.3 s, 4:05, 1:02:03. */
function lasting(ms) {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

const called = (camera) => (camera >= 0 ? shoot.cameras[camera].name : "");

/** One event in words: what to call it. */
function titled(event) {
  if (event.kind === "cut") return `Cut to ${called(event.camera) || "a camera"}`;
  if (event.camera >= 0) return `${event.label}: ${called(event.camera)}`;
  return event.label;
}

/** How long what a cut went to stayed on air; undefined if it went nowhere, or nobody knows. */
function onAirFor(event) {
  if (event.kind !== "cut") return undefined;
  const shot = program[firstAfter(program, event.at, (one) => one.at)];
  return shot && shot.at === event.at && shot.camera === event.camera ? shot.end - shot.at : undefined;
}

/** The picture of a still, where the page has one. */
function pictureOf(still) {
  const image = document.querySelector(`[data-still="${still}"] img`);
  return image ? image.src : "";
}
