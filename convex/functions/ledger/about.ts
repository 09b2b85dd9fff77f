/** What this deployment takes, so that a tap can tell an older one from a broken one. */

import type { GenericValidator } from "convex/values";
import { COLUMNS, OPS, type Op } from "./columns";

/** Grows with everything that a writer or reader has to know of. 0.1.0, which could not tell, counts as 1. */
export const CONTRACT = 2;

export const KINDS: readonly string[] = literalsOf(COLUMNS.event.kind);
export const TRIGGERS: readonly string[] = literalsOf(COLUMNS.event.trigger);

/** Every column of the tables, dotted below objects and lists of objects; free JSON by its name alone. */
export function columnNames(): Record<Op, string[]> {
  const entries = OPS.map((op) => [op, namesIn(COLUMNS[op], "")] as const);
  return Object.fromEntries(entries) as Record<Op, string[]>;
}

function namesIn(columns: Readonly<Record<string, GenericValidator>>, under: string): string[] {
  return Object.entries(columns).flatMap(([name, validator]) => [`${under}${name}`, ...inside(validator, `${under}${name}.`)]);
}

function inside(validator: GenericValidator, under: string): string[] {
  switch (validator.kind) {
    case "object":
      return namesIn(validator.fields as Record<string, GenericValidator>, under);
    case "array":
      return inside(validator.element as GenericValidator, under);
    case "union":
      return (validator.members as GenericValidator[]).flatMap((member) => inside(member, under));
    default:
      return [];
  }
}

function literalsOf(validator: GenericValidator): string[] {
  const members = validator.kind === "union" ? (validator.members as GenericValidator[]) : [];
  return members.flatMap((member) => (member.kind === "literal" ? [String(member.value)] : []));
}
