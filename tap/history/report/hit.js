// What is under a point of the picture, and what is said about it.

const NEAR = 8;

/** What is at a point: {title, lines, picture, event, at, end, row}; undefined where there is nothing to tell. */
function hit(view, layout, x, y) {
  const row = layout.rows.find((one) => y >= one.y && y < one.y + one.height);
  if (!row || row.name === "axis") return undefined;
  const at = view.at(x);
  const finders = { program: hitProgram, mode: hitMode, hold: hitHold, gap: hitGap };
  const find = finders[row.name] ?? (() => hitMark(view, marks[row.name], x));
  const found = row.camera === undefined ? find(view, x, at) : hitLane(view, row.camera, x, y - row.y, at, row);
  return found && { row, ...found };
}

function spanLines(one) {
  return `${clock(one.at)} – ${clock(one.end)} · ${lasting(one.end - one.at)}`;
}

function about(list, at) {
  const one = list[firstAfter(list, at)];
  return one && one.at <= at ? one : undefined;
}

function hitProgram(view, x, at) {
  const shot = about(program, at);
  if (!shot) return undefined;
  if (shot.camera === UNKNOWN) return hitUnknown(shot);
  const how = shot.cut ? [shot.cut.words] : [shot.at === 0 ? "on air when the shoot began" : "on air when the signal came back"];
  if (shot.unsure) how.push("it went off air at an unknown time before the next event");
  return { title: called(shot.camera), lines: [spanLines(shot), ...how], event: shot.cut, at: shot.at, end: shot.end };
}

function hitUnknown(shot) {
  return { title: "No signal", lines: [spanLines(shot), "nobody knows what was on air"], at: shot.at, end: shot.end };
}

function hitLane(view, camera, x, y, at, row) {
  const lane = lanes[camera];
  const near = lane.stills.filter((still) => Math.abs(view.x(still.at) - x) <= NEAR);
  const shot = about(lane.onAir, at);
  // Marks lie below the bars; where there is no bar, they may be met anywhere in the lane.
  if (near.length && (!shot || y > row.height * 0.6)) {
    const closest = near.reduce((a, b) => (Math.abs(view.x(a.at) - x) <= Math.abs(view.x(b.at) - x) ? a : b));
    return aboutStill(closest, near.length);
  }
  const blind = about(unknown, at);
  if (blind && blind.end > at) return hitUnknown(blind);
  if (shot) return hitProgram(view, x, at);
  const there = at >= lane.joined && at <= lane.left;
  return { title: lane.name, lines: [there ? "there, not on air" : "not there"], at, end: at };
}

const STATUS_WORDS = {
  uploaded: "taken and uploaded", captured: "taken, not uploaded", requested: "requested, never taken", failed: "failed",
};

function aboutStill(still, many = 1) {
  const lines = [`${clock(still.at, true)} · ${STATUS_WORDS[still.status] ?? still.status}`];
  if (still.why) lines.push(still.why);
  if (still.after !== null) lines.push(`${lasting(still.after)} after the cut`);
  if (still.program >= 0) lines.push(still.program === still.camera ? "it was on air" : `on air: ${called(still.program)}`);
  if (many > 1) lines.push(`${many} stills here: zoom in to see them apart`);
  const title = `Still of ${called(still.camera) || "a camera"}`;
  return { title, lines, picture: pictureOf(still.index), event: stillEvent.get(still.index), still, at: still.at, end: still.at };
}

function hitMode(view, x, at) {
  const mode = about(modes, at);
  if (!mode) return undefined;
  const lines = [spanLines(mode), ...(mode.more ? ["it ended at an unknown time before the next event"] : [])];
  return { title: `Mode: ${mode.rest.replaceAll("_", " ")}`, lines, at: mode.at, end: mode.end };
}

function hitHold(view, x, at) {
  const hold = holds.find((one) => one.at <= at && one.end >= at) ?? holds.find((one) => Math.abs(view.x(one.at) - x) < NEAR);
  if (!hold) return undefined;
  return { title: `Held${hold.rest >= 0 ? `: ${called(hold.rest)}` : ""}`, lines: [spanLines(hold)], at: hold.at, end: hold.end };
}

function hitMark(view, list, x) {
  const mark = list.find((one) => Math.abs(view.x(one.at) - x) < NEAR);
  return mark && { title: mark.label, lines: [`${clock(mark.at, true)} · ${mark.words}`], event: mark, at: mark.at, end: mark.at };
}

function hitGap(view, x, at) {
  const gap = gaps.find((one) => one.at <= at && one.end >= at) ?? gaps.find((one) => Math.abs(view.x(one.end) - x) < NEAR);
  if (!gap) return undefined;
  const event = events.find((one) => one.kind === "gap" && one.at === gap.end);
  const covered = gap.rest === 1 ? ["another recording has what happened"] : [];
  return { title: "No signal", lines: [spanLines(gap), event ? event.words : gap.more, ...covered], event, at: gap.at, end: gap.end };
}

/** Everything that is known of an event, as pairs of name and value. */
function factsOf(event) {
  const facts = [["Time", clock(event.at, true)], ["Timecode", event.timecode], ["Into the shoot", lasting(Math.max(0, event.at))]];
  const shown = onAirFor(event);
  if (shown !== undefined) facts.push(["On air for", lasting(shown)]);
  if (event.words) facts.push(["What", event.words]);
  const still = stills[event.still];
  if (still) facts.push(["Still", `${still.name ? `${still.name}: ` : ""}${STATUS_WORDS[still.status] ?? still.status}`]);
  if (still && still.after !== null) facts.push(["After the cut", lasting(still.after)]);
  return facts;
}
