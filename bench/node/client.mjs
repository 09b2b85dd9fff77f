// What a small script would do: receive, parse, look at the type.
import WebSocket from "ws";

const socket = new WebSocket(process.argv[2], { perMessageDeflate: false });
let cuts = 0;
socket.on("message", (data) => {
  if (JSON.parse(data).type === "cut") cuts += 1;
});
socket.on("close", () => process.exit(0));
socket.on("error", (error) => { console.error(error.message); process.exit(1); });
