// A Node-RED flow as people build it: websocket in → json → switch by type → file. `node flow.mjs URL FOLDER`.
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import RED from "node-red";

const [url, folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const flow = [
  { id: "tab", type: "tab", label: "shoot", disabled: false },
  { id: "server", type: "websocket-client", path: url, tls: "", wholemsg: "false", hb: "0", subprotocol: "" },
  { id: "in", type: "websocket in", z: "tab", name: "", server: "", client: "server", x: 1, y: 1, wires: [["json"]] },
  { id: "json", type: "json", z: "tab", property: "payload", action: "obj", pretty: false, x: 2, y: 1, wires: [["which"]] },
  {
    id: "which", type: "switch", z: "tab", property: "payload.type", propertyType: "msg", checkall: "false", repair: false,
    rules: ["cut", "hold", "release", "session_started"].map((v) => ({ t: "eq", v, vt: "str" })),
    outputs: 4, x: 3, y: 1, wires: [["file"], ["file"], ["file"], ["file"]],
  },
  {
    id: "file", type: "file", z: "tab", filename: join(folder, "events.jsonl"), filenameType: "str", appendNewline: true,
    createDir: false, overwriteFile: "false", encoding: "none", x: 4, y: 1, wires: [[]],
  },
];
writeFileSync(join(folder, "flows.json"), JSON.stringify(flow));
const server = createServer();
RED.init(server, {
  userDir: folder, flowFile: "flows.json", httpAdminRoot: false, httpNodeRoot: false, disableEditor: true,
  telemetry: { enabled: false, updateNotification: false }, logging: { console: { level: "error" } },
});
await RED.start();
