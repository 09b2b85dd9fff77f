/** What functions ask of the database: the system calls themselves, between them and convex-test. */

export interface Asked {
  op: string;
  query: {
    source: { type: string; indexName: string; range: { type: string; fieldPath: string }[] };
    operators: { limit?: number }[];
  };
}

/** What the functions ask of the database while `work` runs, and how many documents they were given. */
export async function readsOf(work: () => Promise<unknown>): Promise<{ asked: Asked[]; documents: number }> {
  const holder = globalThis as unknown as { Convex: Record<string, (op: string, args: string) => unknown> };
  const inner = holder.Convex;
  const asked: Asked[] = [];
  let documents = 0;
  const watch = (name: string) => async (op: string, args: string) => {
    if (op === "1.0/queryStream" || op === "1.0/queryPage") asked.push({ op, ...(JSON.parse(args) as Omit<Asked, "op">) });
    const said = await inner[name]?.(op, args);
    if (op === "1.0/queryStreamNext") documents += Number(!(JSON.parse(said as string) as { done: boolean }).done);
    if (op === "1.0/queryPage") documents += (JSON.parse(said as string) as { page: unknown[] }).page.length;
    return said;
  };
  const observe = (name: string) => (op: string, args: string) => {
    if (op === "1.0/queryStream") asked.push({ op, ...(JSON.parse(args) as Omit<Asked, "op">) });
    return inner[name]?.(op, args);
  };
  holder.Convex = { syscall: observe("syscall"), asyncSyscall: watch("asyncSyscall"), jsSyscall: observe("jsSyscall") };
  try {
    await work();
  } finally {
    holder.Convex = inner;
  }
  return { asked, documents };
}
