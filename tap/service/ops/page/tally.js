// A tally light: a whole screen that is red while one camera is on air, green while
// the program goes over to it. Names go into textContent and nowhere else.
import { Line, byId, lasting, made, named, say } from "/common.js";

const wanted = (new URLSearchParams(location.search).get("camera") ?? "").trim();
let state = null;
let offset = 0;
let line = null;
let lock = null;

function camera() {
  const same = (text) => text?.toLocaleLowerCase() === wanted.toLocaleLowerCase();
  const all = state?.cameras ?? [];
  return all.find((one) => one.id === wanted) ?? all.find((one) => same(one.name) || same(one.id)) ?? null;
}

function show(looks, word, more) {
  if (document.body.className !== looks) document.body.className = looks;
  say("word", word);
  say("more", more);
}

function draw() {
  const mine = camera();
  const name = mine?.name ?? (wanted || "Which camera?");
  if (byId("camera").textContent !== name) byId("camera").replaceChildren(named(name));
  document.title = `${name} – tally`;
  drawCameras(mine);
  if (line.lost) return show("lost", "No contact", "with the tap: this light does not show what is on air");
  if (state === null) return show("off", "connecting …", "");
  if (!state.server.connected) return show("lost", "No contact", "with the server: nobody knows what is on air");
  if (wanted === "") return show("off", "", "Choose a camera: its light is red while it is on air.");
  const program = state.program;
  const on = program !== null && program.cameraId !== null && program.cameraId === (mine?.id ?? wanted);
  if (on && program.sure) return show("on", "On air", `for ${lasting(Date.now() + offset - program.since)}`);
  if (program === null || !program.sure) return show("lost", "Not known", "what is on air is not known yet");
  const leads = state.heading?.cameraId ?? null;
  if (leads !== null && leads === mine?.id) return show("next", "Next", "a transition to this camera is running");
  return show("off", mine === null ? "Not there" : "Off air", mine === null ? "No camera of this name is known now." : "");
}

let listed = "";

function drawCameras(mine) {
  const cameras = mine !== null || state === null ? [] : state.cameras;
  const signature = cameras.map((one) => `${one.id}=${one.name}`).join();
  if (signature === listed) return;
  listed = signature;
  byId("cameras").replaceChildren(...cameras.map((one) => {
    const link = made("a", "", named(one.name ?? one.id));
    link.href = `/tally?camera=${encodeURIComponent(one.id)}`;
    return made("li", "", link);
  }));
}

// ------------------------------------------------------------------------------------------------ awake

async function stayAwake() {
  try {
    lock = await navigator.wakeLock.request("screen");
    byId("awake").hidden = true;
    say("wake", "The screen stays on.");
    lock.addEventListener("release", () => {
      lock = null;
      if (document.visibilityState === "visible") offerAwake();
    });
  } catch {
    offerAwake();
  }
}

function offerAwake() {
  byId("awake").hidden = false;
  say("wake", "The screen may go dark by itself.");
}

if (!("wakeLock" in navigator)) {
  say("wake", "The screen may go dark by itself: browsers keep it on over https only. Set the phone's own screen timeout.");
} else {
  byId("awake").addEventListener("click", stayAwake);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && lock === null && stayAwake());
  stayAwake();
}

// ------------------------------------------------------------------------------------------------ begin

line = new Line(
  {
    hello: (said) => take(said.status.now),
    now: take,
    happened: () => {},
  },
  { lost: draw, found: draw },
);

function take(said) {
  state = said;
  offset = said.now - Date.now();
  draw();
}

setInterval(() => {
  line.watch();
  draw();
}, 1000);
