/** Faults on request: what a test wants to go wrong, how often, and with which calls. */

export const FAULTS = {
  refuse: "stops listening for `ms`, and closes what is open",
  reset: "closes the connection before anything is read",
  hang: "never answers; nothing is written",
  status: "answers the HTTP `status`, with `retryAfter` seconds if given; nothing is written",
  error: "answers a bare server error; nothing is written",
  garbage: "answers 200 and a web page; nothing is written",
  lost: "writes, then closes the connection without an answer",
  hang_after: "writes, then never answers",
  half: "writes, then sends half of the answer and closes the connection",
  slow: "waits for `ms`, then goes on as if nothing had been",
} as const;

export type FaultKind = keyof typeof FAULTS;

export interface Fault {
  kind: FaultKind;
  /** How many requests it spoils; 0 for all until it is taken away. */
  times: number;
  ms: number;
  status: number;
  retryAfter?: number;
  /** Only requests whose body or address holds this. */
  match?: string;
}

/** One that spoils requests; `refuse` is about connections and takes effect at once. */
export type RequestFault = Fault & { kind: Exclude<FaultKind, "refuse"> };

export function spoilsRequests(fault: Fault): fault is RequestFault {
  return fault.kind !== "refuse";
}

/** The fault that a request asks for, or a sentence that says why it is none. */
export function readFault(raw: unknown): Fault | string {
  const { kind, times = 1, ms = 1_000, status = 503, retryAfter, match } = (raw ?? {}) as Partial<Fault>;
  if (kind === undefined || !Object.hasOwn(FAULTS, kind)) return `kind is one of ${Object.keys(FAULTS).join(", ")}`;
  const numbers = [times, ms, status, retryAfter ?? 0];
  if (!numbers.every((value) => Number.isInteger(value) && value >= 0)) return "times, ms, status, retryAfter are whole numbers";
  if (status < 200 || status > 599) return "status is an HTTP status";
  return {
    kind,
    times,
    ms,
    status,
    ...(retryAfter !== undefined && { retryAfter }),
    ...(match !== undefined && { match: String(match) }),
  };
}

export class Faults {
  private list: RequestFault[] = [];

  add(fault: RequestFault): void {
    this.list.push(fault);
  }

  clear(): void {
    this.list = [];
  }

  get waiting(): readonly Fault[] {
    return this.list;
  }

  /** The first fault that is meant for this request, one time fewer. */
  take(text: string): RequestFault | undefined {
    const fault = this.list.find(({ match }) => match === undefined || text.includes(match));
    if (fault === undefined || fault.times === 0) return fault;
    fault.times -= 1;
    if (fault.times === 0) this.list = this.list.filter((other) => other !== fault);
    return fault;
  }
}
