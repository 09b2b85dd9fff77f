/**
 * Whether a value fits a validator of somebody else's schema, told before anything is written: with the field that does
 * not fit, in words. Convex would say the same, but for the whole batch, and to a person only on a dev deployment.
 */

import { convexToJson, type GenericValidator, type Value } from "convex/values";
import { isPlainObject, owns } from "./json";

interface Misfit {
  field: string;
  words: string;
}

/** Says whether a text is an id of that table. */
type IsId = (table: string, id: string) => boolean;

/** Convex's own, the document itself counted. */
const MAX_LEVELS = 16;
/** Convex takes 1 MiB; what it counts differs a little from what is counted here. */
const MAX_BYTES = 1_000_000;

/** What is wrong with a whole document, if anything is. */
export function misfitOf(validator: GenericValidator, document: Record<string, unknown>, isId: IsId): Misfit | undefined {
  return misfit(validator, document, "", isId) ?? tooMuch(document);
}

/** A value without members that are undefined, as Convex takes it. */
export function defined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(defined);
  if (!isPlainObject(value)) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, defined(member)]));
}

function tooMuch(document: Record<string, unknown>): Misfit | undefined {
  for (const [field, value] of Object.entries(document)) {
    if (levelsOf(value) > MAX_LEVELS - 1) return { field, words: `is nested deeper than the ${MAX_LEVELS} levels that Convex takes` };
  }
  const sizes = Object.entries(document).map(([field, value]) => ({ field, bytes: JSON.stringify(convexToJson(value as Value)).length }));
  if (sizes.reduce((sum, { bytes }) => sum + bytes, 0) <= MAX_BYTES) return undefined;
  const { field } = sizes.reduce((most, next) => (next.bytes > most.bytes ? next : most));
  return { field, words: "makes the row larger than the 1 MiB that Convex takes" };
}

function levelsOf(value: unknown): number {
  if (typeof value !== "object" || value === null || value instanceof ArrayBuffer) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(levelsOf));
}

function misfit(validator: GenericValidator, value: unknown, at: string, isId: IsId): Misfit | undefined {
  switch (validator.kind) {
    case "any":
      return unless(isValue(value), at, "is nothing that Convex can store");
    case "id": {
      const table = validator.tableName as string;
      return unless(typeof value === "string" && isId(table, value), at, `is no id of ${table}`);
    }
    case "literal":
      return unless(value === validator.value, at, `is not ${JSON.stringify(validator.value)}`);
    case "null":
      return unless(value === null, at, "is not null");
    case "string":
      return unless(typeof value === "string", at, `is no text but ${nameOf(value)}`);
    case "float64":
      return unless(typeof value === "number", at, `is no number but ${nameOf(value)}`);
    case "boolean":
      return unless(typeof value === "boolean", at, `is no truth value but ${nameOf(value)}`);
    case "int64":
      return unless(typeof value === "bigint", at, `is no int64 but ${nameOf(value)}`);
    case "bytes":
      return unless(value instanceof ArrayBuffer, at, `is no bytes but ${nameOf(value)}`);
    case "array":
      if (!Array.isArray(value)) return { field: at, words: `is no list but ${nameOf(value)}` };
      return first(value, (item, index) => misfit(validator.element as GenericValidator, item, `${at}[${index}]`, isId));
    case "record":
      if (!isPlainObject(value)) return { field: at, words: `is no object but ${nameOf(value)}` };
      return first(Object.keys(value), (name) => {
        const wrong = misfit(validator.key as GenericValidator, name, join(at, name), isId);
        return wrong ?? misfit(validator.value as GenericValidator, value[name], join(at, name), isId);
      });
    case "object":
      if (!isPlainObject(value)) return { field: at, words: `is no object but ${nameOf(value)}` };
      return misfitInside(validator.fields as Record<string, GenericValidator>, value, at, isId);
    case "union":
      return misfitOfAll(validator.members as GenericValidator[], value, at, isId);
    default:
      // A kind that is newer than this file: Convex itself will say.
      return undefined;
  }
}

function misfitInside(fields: Readonly<Record<string, GenericValidator>>, value: Record<string, unknown>, at: string, isId: IsId): Misfit | undefined {
  const stranger = Object.keys(value).find((name) => !owns(fields, name));
  if (stranger !== undefined) return { field: join(at, stranger), words: "is not a column of this table" };
  return first(Object.entries(fields), ([name, field]) => {
    if (owns(value, name)) return misfit(field, value[name], join(at, name), isId);
    return unless(field.isOptional === "optional", join(at, name), "is required, and missing");
  });
}

function misfitOfAll(members: readonly GenericValidator[], value: unknown, at: string, isId: IsId): Misfit | undefined {
  const misfits = members.map((member) => misfit(member, value, at, isId));
  if (misfits.includes(undefined)) return undefined;
  // Of several objects, that one was meant in which the least is wrong: a literal that tells them apart comes first.
  const inside = misfits.filter((found): found is Misfit => found !== undefined && found.field !== at);
  if (isPlainObject(value) && inside[0] !== undefined) return inside.length === 1 ? inside[0] : { ...inside[0], words: `${inside[0].words} (nor does it fit another form)` };
  const words = members.map((member) => (member.kind === "literal" ? JSON.stringify(member.value) : member.kind));
  return { field: at, words: `is ${shown(value)}, and none of ${words.join(", ")}` };
}

function unless(fits: boolean, field: string, words: string): Misfit | undefined {
  return fits ? undefined : { field, words };
}

function first<Item>(items: readonly Item[], check: (item: Item, index: number) => Misfit | undefined): Misfit | undefined {
  for (const [index, item] of items.entries()) {
    const wrong = check(item, index);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function isValue(value: unknown): boolean {
  try {
    convexToJson(value as Value);
    return true;
  } catch {
    return false;
  }
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : nameOf(value);
}

function join(at: string, name: string): string {
  return at === "" ? name : `${at}.${name}`;
}
