/** JSON as values, its canonical text, and the order of such texts. */

export type Json = string | number | boolean | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}

/** An object as JSON or Convex makes it: no array, no bytes, no class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Convex hands over objects of another realm, whose prototype is not our Object.prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Whether an object itself has this name. (`Object.hasOwn` is younger than the ES2021 of apps that an older Convex made.) */
export function owns(value: object, name: string): boolean {
  return Object.prototype.hasOwnProperty.call(value, name);
}

/**
 * JSON with sorted names and no spaces: the same text for the same value. Names are ASCII, so any sort is the same. Our
 * rows have no null; an owner's may.
 */
export function canonical(value: Json | null): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name] as Json)}`);
  return `{${members.join(",")}}`;
}

/** Compares as UTF-8 bytes do, which is how Python compares; `<` on strings compares UTF-16 and differs above U+D7FF. */
export function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return byteOrder(a) - byteOrder(b);
  }
  return left.length - right.length;
}

/** Moves surrogates (whose characters are above U+FFFF) behind all other code units. */
function byteOrder(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
