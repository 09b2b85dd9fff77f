/**
 * What an owner's columns were given, as marks, so that a column is written again only when what is given changes: what
 * a person, or the app, wrote into it stays until then. An object that the schema describes is told apart by its
 * fields; anything else is one mark.
 */

import { convexToJson, type GenericValidator, type Value } from "convex/values";
import { isPlainObject } from "./json";

export type Gave = { [name: string]: number | Gave };
type Members = Record<string, unknown>;

export function gaveOf(columns: Members, validator: GenericValidator): Gave {
  const fields = fieldsOf(validator);
  return Object.fromEntries(
    Object.entries(columns).map(([name, value]) => {
      const field = fields[name];
      const inside = field !== undefined && field.kind === "object" && isPlainObject(value);
      return [name, inside ? gaveOf(value, field) : markOf(value)];
    }),
  );
}

/** What stands in a document after it is given new columns; `before` is what it was given last. */
export function given(document: Members, columns: Members, before: Gave, now: Gave): Members {
  const result = without(document, before, now);
  for (const [name, mark] of Object.entries(now)) {
    const [standing, old] = [document[name], before[name]];
    if (typeof mark === "object" && isPlainObject(standing)) {
      result[name] = given(standing, columns[name] as Members, typeof old === "object" ? old : {}, mark);
    } else if (typeof mark === "object" || mark !== old) {
      result[name] = columns[name];
    }
  }
  return result;
}

/** A document without what it was given, or without what it is given no more. */
export function without(document: Members, before: Gave, now: Gave = {}): Members {
  const result = { ...document };
  for (const [name, mark] of Object.entries(before)) {
    if (name in now || !(name in result)) continue;
    const standing = result[name];
    const rest = typeof mark === "object" && isPlainObject(standing) ? without(standing, mark) : {};
    if (Object.keys(rest).length > 0) result[name] = rest;
    else delete result[name];
  }
  return result;
}

function fieldsOf(validator: GenericValidator): Readonly<Record<string, GenericValidator>> {
  return validator.kind === "object" ? (validator.fields as Record<string, GenericValidator>) : {};
}

/** 53 bits of a text that says the value: two of them are never compared but for one column of one row. */
function markOf(value: unknown): number {
  const text = JSON.stringify(convexToJson(value as Value));
  let [low, high] = [0x811c9dc5, 0x01000193];
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ (unit + index), 0x5bd1e995);
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}
