// The card of a session: what a shoot came to, what is missing, and its files. Made by the tap for who asks.
import { byId, counted, lasting, lastingExactly, made, named, say } from "/common.js";

const FILES = [
  ["report", "Report"],
  ["edl", "EDL"],
  ["fcp7xml", "FCP7 XML"],
  ["fcpxml", "FCPXML"],
  ["shots", "Shots (CSV)"],
  ["csv", "Events (CSV)"],
];
const MISSING_SHOWN = 12;

export class Cards {
  /** `changed`: whether a card is open has; `gone`: its session is not there any more. */
  constructor({ clocks, announce, changed, gone }) {
    this.told = { clocks, announce, changed, gone };
    this.key = null;
    this.closed = null; // the session whose card was closed, or was open when the next began
    this.as = null; // as of which entry it was made by itself
    this.isGone = false; // its session is not there any more, and that was said
    byId("card-close").addEventListener("click", () => this.close());
  }

  get isOpen() {
    return this.key !== null;
  }

  /** The last session is over: its card opens by itself, once, and again when more of it is known. */
  ended(key, as) {
    if (this.closed === key || (this.key !== null && this.key !== key) || (this.key === key && this.as === as)) return;
    this.as = as;
    this.open(key, false);
  }

  /** Another session has begun. */
  over() {
    if (this.key !== null && this.as !== null) this.close();
  }

  /** The keys of all sessions. One that is not among them may have been forgotten: the tap knows. */
  among(keys) {
    if (this.key !== null && !this.isGone && !keys.includes(this.key)) this.open(this.key, false);
  }

  close() {
    this.closed = this.key;
    this.key = this.as = null;
    byId("card").hidden = true;
    this.told.changed();
  }

  async open(key, asked) {
    const again = this.key === key;
    this.key = key;
    if (asked) this.as = null;
    byId("card").hidden = false;
    if (!again) {
      this.isGone = false;
      say("card-title", "A session");
      byId("card-body").replaceChildren();
      say("card-words", "Reading the session …");
    }
    this.told.changed();
    if (asked) byId("card-title").focus();
    try {
      const answer = await fetch(`/made/card?session=${encodeURIComponent(key)}`);
      if (this.key !== key) return;
      if (answer.ok) this.show(await answer.json());
      else this.fail(answer.status, (await answer.text()).trim());
    } catch {
      if (this.key === key) say("card-words", "The tap did not answer: try again.");
    }
  }

  fail(code, words) {
    byId("card-body").replaceChildren();
    say("card-words", code === 410 ? "This session is not here any more: it was forgotten, or it is too old." : words);
    if (code === 410) {
      this.isGone = true;
      say("card-title", "A session");
      this.told.gone();
    }
  }

  show(card) {
    const clocks = this.told.clocks();
    byId("card-title").replaceChildren(named(card.title));
    const over = card.status === "live" ? "is live, so far" : card.status === "complete" ? "is over" : `ended ${card.status}`;
    const why = card.endReason ? ` (${card.endReason})` : "";
    say("card-words", `${clocks.day(card.start)}, ${clocks.time(card.start)} to ${clocks.time(card.end)}. It ${over}${why}.`);
    byId("card-body").replaceChildren(...[this.missing(card), this.tiles(card, clocks), this.files(card), this.bars(card), this.pace(card, clocks), this.gaps(card, clocks), this.stills(card, clocks)].filter(Boolean));
    if (!byId("card").hidden) this.told.announce(`${card.title}: ${counted(card.cuts, "cut")}, ${counted(card.missingCount, "still")} missing`);
  }

  tiles(card, clocks) {
    const longest = card.longestShot;
    const tiles = [
      ["Length", lasting(card.lengthMs)],
      ["Cuts", card.cuts.toLocaleString("en")],
      ["Pace", card.cutsPerMinute === null ? "–" : `${card.cutsPerMinute.toFixed(1)}`, "cuts a minute"],
      ["Longest shot", longest === null ? "–" : lasting(longest.lengthMs), longest === null ? "" : `${longest.camera}, ${clocks.time(longest.start)}`],
      ["Stills", card.stillsTaken || card.stillsAsked ? String(card.stillsTaken) : "none", card.stillsAsked ? `${card.stillsAskedTaken} of ${card.stillsAsked} requested` : ""],
      ["Holds", card.holds ? String(card.holds) : "none", card.holds ? `${lasting(card.holdMs)} in all` : ""],
      ["Gaps", card.gapCount ? String(card.gapCount) : "none", card.gapCount ? `${lasting(card.gapMs)} in all` : ""],
    ];
    const list = made("dl", "tiles");
    for (const [name, value, more] of tiles) {
      const told = made("dd", "time", value);
      if (more) told.append(made("span", "more", named(more)));
      list.append(made("div", "", made("dt", "", name), told));
    }
    return list;
  }

  missing(card) {
    if (card.missingCount === 0) return null;
    const box = made("div", "missing", made("h3", "", `${counted(card.missingCount, "still")} missing: take them again while the cameras are there`));
    const list = made("ul", "");
    for (const one of card.missing) {
      const names = one.stills.slice(0, MISSING_SHOWN).map((still) => `${still.name} (${STATUS[still.status] ?? still.status}${still.why ? `: ${still.why}` : ""})`);
      const rest = one.stills.length - names.length;
      list.append(made("li", "", made("strong", "", named(one.camera)), " ", named(names.join(", ")), rest > 0 ? ` and ${rest} more` : ""));
    }
    box.append(list);
    return box;
  }

  files(card) {
    const list = made("ul", "files");
    for (const [name, words] of FILES) {
      const link = made("a", "", words);
      link.href = `/made/${name}?session=${encodeURIComponent(card.sessionKey)}`;
      if (name === "report") link.target = "_blank";
      link.rel = "noopener";
      list.append(made("li", "", link));
    }
    return list;
  }

  bars(card) {
    const most = Math.max(1, ...card.cameras.map((one) => one.onAirMs));
    const list = made("ul", "bars");
    for (const one of card.cameras) {
      const bar = made("span", "gauge");
      const inside = made("i", one.texture);
      inside.style.width = `${(100 * one.onAirMs) / most}%`;
      bar.append(inside);
      const share = card.lengthMs ? Math.round((100 * one.onAirMs) / card.lengthMs) : 0;
      list.append(made("li", `c${one.colour}`, made("span", "who", named(one.name)), bar, made("span", "time", `${lasting(one.onAirMs)} · ${share} % · ${counted(one.cuts, "cut")}`)));
    }
    return card.cameras.length ? made("div", "", made("h3", "", "On air"), list) : null;
  }

  pace(card, clocks) {
    if (card.pace.length < 2 || card.cuts === 0) return null;
    const most = Math.max(...card.pace);
    const chart = made("div", "pace");
    for (const count of card.pace) {
      const bar = made("i", "");
      bar.style.height = `${count ? Math.max(6, (100 * count) / most) : 0}%`;
      chart.append(bar);
    }
    const at = card.pace.indexOf(most);
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", `Cuts in steps of ${lasting(card.paceStepMs)}: ${most} at most, from ${clocks.time(card.start + at * card.paceStepMs)} on`);
    const ends = made("div", "ends", made("span", "time", clocks.time(card.start)), made("span", "", `${most} at most`), made("span", "time", clocks.time(card.end)));
    ends.setAttribute("aria-hidden", "true");
    return made("div", "", made("h3", "", `Cuts in each ${lasting(card.paceStepMs)}`), chart, ends);
  }

  gaps(card, clocks) {
    if (card.gaps.length === 0) return null;
    const list = made("ul", "gaps");
    for (const one of card.gaps) {
      const length = one.durationMs === null ? "first signal: what was before is not known" : `no signal for ${lastingExactly(one.durationMs)}`;
      list.append(made("li", "", made("span", "time", clocks.time(one.at)), ` ${length}${one.covered ? ", covered by another recording" : ""}`));
    }
    return made("div", "", made("h3", "", "Gaps"), list);
  }

  stills(card, clocks) {
    const shown = card.stills.filter((one) => one.picture?.startsWith("data:image/jpeg;base64,")).slice(-24);
    if (shown.length === 0) return null;
    const list = made("ul", "pictures");
    for (const one of shown) {
      const picture = document.createElement("img");
      picture.src = one.picture;
      picture.alt = `Still ${one.name} of ${one.camera} at ${clocks.time(one.at)}`;
      list.append(made("li", "", picture));
    }
    return made("div", "", made("h3", "", "Stills"), list);
  }
}

const STATUS = { requested: "never taken", failed: "failed", captured: "taken, not uploaded" };
