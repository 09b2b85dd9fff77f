// Reads the calls of a shoot from standard input, a list of entries on each line, makes them on the functions themselves
// (on convex-test, in this process), and prints what they cost, as JSON. `docs/make_scale.py` calls it.
import { register } from "tsx/esm/api";

register();
const { measure } = await import("../local/scale.ts");
const lines = (await new Response(process.stdin).text()).split("\n").filter((line) => line !== "");
console.log(JSON.stringify(await measure(lines.map((line) => JSON.parse(line)), process.argv[2] ?? "ledger")));
