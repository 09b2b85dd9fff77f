/**
 * What the local ledger keeps on disk: JSON lines, first the rows of the last snapshot, then the calls since.
 *
 * A call is appended before it is answered, so that an answered one survives the death of the process (not of the
 * machine: nothing is synced). A torn last line is a call that was never answered; it is cut off.
 */

import type { JSONValue } from "convex/values";
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";

export interface StoredRow {
  table: string;
  /** What other documents may refer to it by; absent in the files of 0.1.0. */
  id?: string;
  document: Record<string, JSONValue>;
}

/** A mutation that changed something, without the access key it came with. */
export interface StoredCall {
  path: string;
  /** The argument that held the key, if one did, and for whom it was; a replay gives a key of its own. */
  keyArgument?: "accessKey" | "adminKey";
  venue: string;
  /** The clock at the time, which a replay must see again. */
  at: number;
  args: unknown;
}

export interface Kept {
  rows: StoredRow[];
  calls: StoredCall[];
}

const HEADER = `${JSON.stringify({ ledger: 1, note: "multicam-tap's local ledger; this is not Convex" })}\n`;

export class Journal {
  private file: number | undefined;

  constructor(private readonly path: string) {}

  /** Reads what is there and opens it for what comes. */
  open(): Kept {
    if (!existsSync(this.path)) writeFileSync(this.path, HEADER, { mode: 0o600 });
    const bytes = readFileSync(this.path);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    const kept = read(bytes.subarray(0, whole).toString("utf8"), this.path);
    this.file = openSync(this.path, "a");
    if (whole < bytes.length) ftruncateSync(this.file, whole);
    if (whole === 0) writeSync(this.file, HEADER);
    return kept;
  }

  append(call: StoredCall): void {
    if (this.file === undefined) throw new Error("the journal is not open");
    const line = Buffer.from(`${JSON.stringify({ call })}\n`);
    // One write may be short, on a full disk above all; the rest then throws.
    for (let done = 0; done < line.length; ) done += writeSync(this.file, line, done);
  }

  /** Puts the rows in the place of all that was kept, at once or not at all. */
  snapshot(rows: readonly StoredRow[]): void {
    const next = `${this.path}.next`;
    writeFileSync(next, [HEADER, ...rows.map((row) => `${JSON.stringify({ row })}\n`)].join(""), { mode: 0o600 });
    renameSync(next, this.path);
    this.close();
    this.file = openSync(this.path, "a");
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}

function read(text: string, path: string): Kept {
  const kept: Kept = { rows: [], calls: [] };
  text.split("\n").forEach((line, index) => {
    if (line === "") return;
    const { row, call } = parse(line, `${path}:${index + 1}`);
    if (row !== undefined) kept.rows.push(row);
    if (call !== undefined) kept.calls.push(call);
  });
  return kept;
}

function parse(line: string, where: string): { row?: StoredRow; call?: StoredCall } {
  try {
    return JSON.parse(line) as { row?: StoredRow; call?: StoredCall };
  } catch {
    throw new Error(`${where} cannot be read: this is no file of the local ledger, or it was damaged`);
  }
}
