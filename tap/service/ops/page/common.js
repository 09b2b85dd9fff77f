// What the pages share: elements, times, lengths, and the line to the tap. Names go into textContent and nowhere else.

export const byId = (id) => document.getElementById(id);

/** An element with a class and texts or elements inside. */
export function made(tag, name, ...inside) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

/** A name of unknown direction and content. */
export function named(text) {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}

export function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Clocks of the venue's time zone: `time`, `exact` with milliseconds, and `day`. */
export function clocksOf(zone) {
  const format = (options) => {
    const all = { hourCycle: "h23", ...options };
    try {
      return new Intl.DateTimeFormat("en-GB", { ...all, timeZone: zone ?? undefined });
    } catch {
      return new Intl.DateTimeFormat("en-GB", all);
    }
  };
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const time = format(clock);
  const exact = format({ ...clock, fractionalSecondDigits: 3 });
  const date = format({ year: "numeric", month: "2-digit", day: "2-digit" });
  const day = (ms) => {
    const parts = Object.fromEntries(date.formatToParts(ms).map((part) => [part.type, part.value]));
    return `${parts.year}-${parts.month}-${parts.day}`;
  };
  return { time: (ms) => time.format(ms), exact: (ms) => exact.format(ms), day };
}

/** A length of time: 0:07, 12:30, 1:02:03. */
export function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return parts[0] ? `${parts[0]}:${two(parts[1])}:${two(parts[2])}` : `${parts[1]}:${two(parts[2])}`;
}

/** The same to the millisecond: 5.867 s, 2:05.120. */
export function lastingExactly(ms) {
  const rest = Math.max(0, Math.round(ms));
  if (rest < 60000) return `${(rest / 1000).toFixed(3)} s`;
  return `${lasting(rest)}.${String(rest % 1000).padStart(3, "0")}`;
}

export const counted = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

const SILENT_MS = 5000;

/** The line to the tap: it hears, notices that it hears nothing, and tries again by itself. */
export class Line {
  constructor(takes, { lost, found }) {
    this.lost = false;
    this.heardAt = null;
    this.takes = takes;
    this.told = { lost, found };
    this.source = null;
    this.retryAt = 0;
    this.connect();
  }

  connect() {
    this.source?.close();
    this.source = new EventSource("/events");
    for (const [name, take] of Object.entries(this.takes)) {
      this.source.addEventListener(name, (message) => {
        this.heardAt = performance.now();
        take(JSON.parse(message.data));
        if (this.lost) {
          this.lost = false;
          this.told.found();
        }
      });
    }
    this.source.addEventListener("error", () => {
      // The browser tries again by itself, unless it was refused.
      if (this.source.readyState === EventSource.CLOSED) this.retryAt = performance.now() + 3000;
      if (this.heardAt === null) this.lose();
    });
  }

  /** To be called every second. */
  watch() {
    const silent = this.heardAt !== null && performance.now() - this.heardAt > SILENT_MS;
    if (silent) this.lose();
    if (this.lost && this.source.readyState === EventSource.CLOSED && performance.now() > this.retryAt) this.connect();
    else if (silent && this.source.readyState === EventSource.OPEN) this.connect();
  }

  lose() {
    const first = !this.lost;
    this.lost = true;
    this.told.lost(first);
  }
}
