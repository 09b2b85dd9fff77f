/** Values on the wire, as Convex's HTTP API writes them, and the limits of a real deployment that convex-test leaves out. */

import { convexToJson, getConvexSize, jsonToConvex, type JSONValue, type Value } from "convex/values";

export type Format = "convex_encoded_json" | "json";

const MAX_DOCUMENT_BYTES = 1024 * 1024;
const MAX_CALL_BYTES = 16 * 1024 * 1024;
const MAX_ITEMS = 8_192;
const MAX_NAMES = 1_024;
/** Levels of a value, and of a document, itself counted. */
const MAX_LEVELS = 64;
const MAX_DOCUMENT_LEVELS = 16;

/**
 * JSON in which a number always shows that it is a float64: `302.0`, never `302`. Convex prints it so, and the Python
 * package refuses a bare integer.
 */
export function encode(value: JSONValue): string {
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).filter((member) => member[1] !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${encode(member as JSONValue)}`).join(",")}}`;
}

export function decodeArgs(args: unknown, format: Format): Record<string, Value> {
  // Clients send the one argument bare or as a list of it.
  const only: unknown = Array.isArray(args) ? (args[0] ?? {}) : (args ?? {});
  if (typeof only !== "object" || only === null) throw new Error("the arguments are not an object");
  const values = (format === "json" ? only : jsonToConvex(only as JSONValue)) as Record<string, Value>;
  checkCall(values);
  return values;
}

export function encodeValue(value: Value | undefined, format: Format): string {
  const json = convexToJson(value === undefined ? null : value);
  return format === "json" ? JSON.stringify(json) : encode(json);
}

/** Throws where a real deployment would refuse the arguments. */
function checkCall(values: Value): void {
  checkShape(values, MAX_LEVELS, MAX_LEVELS);
  if (getConvexSize(values) > MAX_CALL_BYTES) throw new Error("the arguments are larger than 16 MiB");
}

/** Throws where a real deployment would refuse to write the document. */
export function checkDocument(document: Value): void {
  checkShape(document, MAX_DOCUMENT_LEVELS, MAX_DOCUMENT_LEVELS);
  if (getConvexSize(document) > MAX_DOCUMENT_BYTES) throw new Error("the document is larger than 1 MiB");
}

function checkShape(value: Value, levels: number, most: number): void {
  if (typeof value !== "object" || value === null || value instanceof ArrayBuffer) return;
  if (levels === 0) throw new Error(`a value is nested deeper than ${most} levels`);
  const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
  if (Array.isArray(value) && members.length > MAX_ITEMS) throw new Error(`an array has more than ${MAX_ITEMS} items`);
  if (!Array.isArray(value) && members.length > MAX_NAMES) throw new Error(`an object has more than ${MAX_NAMES} fields`);
  for (const member of members) if (member !== undefined) checkShape(member as Value, levels - 1, most);
}
