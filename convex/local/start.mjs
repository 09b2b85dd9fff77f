#!/usr/bin/env node
// Starts the local ledger: TypeScript is read as it stands, from any working directory, in this one process.
import { register } from "tsx/esm/api";

register();
const { main } = await import("./main.ts");
await main(process.argv.slice(2));
