// The page: a picture or a stream of frames goes to the server; what comes back is drawn, listed and kept for download.

import { announced, describe } from "./details.js";
import { csvOf, fileName, jsonOf, save } from "./downloads.js";
import { css } from "./draw.js";
import { colourOf, headAt, neighbour, numbered, shown } from "./heads.js";
import { paint } from "./paint.js";
import { load, post } from "./server.js";
import { clockText, follow, streamName } from "./stream.js";
import { fillTable } from "./table.js";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), context = canvas.getContext("2d"), video = $("video");
const CANVAS_SIDE = 4096, MOST_ENLARGED = 6, KEPT_FRAMES = 10000, LETTERS = 13.5; // LETTERS: pixels of the page

const state = {
  info: { unreadable_deg: 40, score_threshold: 0, body_bytes: Infinity, columns: [] }, mesh: { palette: [[53, 183, 121]] },
  picture: null, // what is drawn: an ImageBitmap or a canvas
  result: null, name: "", frames: [], // frames: results of a video or the camera
  selected: null, // the number that somebody chose; null: the first that is shown
  run: 0, // counts sources; answers that belong to an earlier one are dropped
  streaming: false, stream: null,
};

const view = () => ({
  style: document.querySelector("input[name=style]:checked").value,
  scoreFrom: Number($("score").value), greyAbove: Number($("limit").value), hideGrey: $("hide").checked,
});
const visible = () => (state.result ? shown(state.result.heads, view()) : []);
const chosen = (heads) => (state.selected === null ? heads[0] : heads.find((head) => head.head === state.selected)) ?? null;
const counted = (heads) => `${heads.length} head${heads.length === 1 ? "" : "s"}`;

// quiet: not read aloud, as many times a second.
function say(text, { bad = false, quiet = false } = {}) {
  $("status").setAttribute("aria-live", quiet ? "off" : "polite");
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

// Photos

async function openPhoto(file) {
  stopStream();
  const run = ++state.run, name = file.name || "picture.png";
  $("busy").hidden = false;
  say(`Looking for heads in ${name} …`);
  try {
    const [result, picture] = await Promise.all([upload("api/estimate", file).then((answer) => answer.json()), decode(file)]);
    if (run !== state.run) return;
    begin(name);
    show(picture, result);
    say(`${counted(result.heads)} in ${result.seconds.toFixed(2)} s, ${result.width} × ${result.height} pixels.`);
  } catch (error) {
    if (run === state.run) say(`${name}: ${error.message}`, { bad: true });
  } finally {
    if (run === state.run) $("busy").hidden = true;
  }
}

const upload = async (path, file) => post(path, file, state.info.body_bytes);

async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch { // a format that the browser cannot show
    return createImageBitmap(await (await upload("api/preview", file)).blob());
  }
}

function begin(name) {
  Object.assign(state, { name, frames: [], selected: null });
}

// Videos and the camera

function stopStream() {
  state.run++;
  video.pause();
  state.stream?.getTracks().forEach((track) => track.stop());
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.srcObject = state.stream = null;
  state.streaming = false;
  $("player").hidden = $("busy").hidden = true;
  $("camera").textContent = "Camera";
}

async function openVideo(file) {
  stopStream();
  video.src = URL.createObjectURL(file);
  $("player").hidden = false;
  await watch(file.name || "video", false);
}

async function openCamera() {
  if (state.stream) {
    stopStream();
    return say("The camera is off.");
  }
  stopStream();
  if (!navigator.mediaDevices) return say("The camera needs a page on localhost or over https.", { bad: true });
  const run = state.run;
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    return say(`The camera cannot be used: ${error.message}`, { bad: true });
  }
  if (run !== state.run) return stream.getTracks().forEach((track) => track.stop()); // something else was opened meanwhile
  video.srcObject = state.stream = stream;
  $("camera").textContent = "Stop";
  await watch("camera", true);
}

async function watch(name, live) {
  const run = ++state.run, stream = streamName();
  begin(name);
  state.streaming = true;
  try {
    await video.play();
  } catch (error) {
    return run === state.run && say(`${name}: the browser cannot play this (${error.message})`, { bad: true });
  }
  let count = 0, fps = 0, before = performance.now();
  await follow(video, live, {
    stopped: () => run !== state.run,
    send: async (jpeg, time) => (await upload(`api/estimate?stream=${stream}&time_s=${time}`, jpeg)).json(),
    show(frame, answer, time) {
      show(frame, { frame: count, time_s: Number(time.toFixed(3)), ...answer });
      state.frames.push(state.result);
      if (state.frames.length > KEPT_FRAMES) state.frames.shift();
      const now = performance.now();
      fps = count++ ? 0.8 * fps + 200 / (now - before) : 1000 / (now - before);
      before = now;
      say(`${name}: ${counted(answer.heads)}, ${fps.toFixed(1)} frames a second.`, { quiet: true });
    },
    fail(error) {
      say(`${name}: ${error.message}`, { bad: true });
      if (error.kind !== "busy") stopStream();
      return error.kind === "busy";
    },
    tick() {
      if (live) return;
      $("seek").value = video.currentTime / (video.duration || 1);
      $("clock").textContent = clockText(video.currentTime);
      $("play").textContent = video.paused || video.ended ? "Play" : "Pause";
    },
  });
}

// What is seen

function show(picture, result) {
  Object.assign(state, { picture, result: { ...result, heads: numbered(result.heads) } });
  $("empty").hidden = true;
  canvas.hidden = false;
  for (const id of ["json", "csv", "picture"]) $(id).disabled = false;
  update();
}

// As large as the view allows, and as sharp as the screen is.
function fit() {
  const { width, height } = state.result, sharp = window.devicePixelRatio || 1;
  $("view").style.setProperty("--aspect", `${width} / ${height}`);
  const scale = Math.min($("view").clientWidth / width, $("view").clientHeight / height, MOST_ENLARGED);
  const sides = [width, height].map((side) => Math.max(1, Math.floor(side * scale)));
  const pixels = Math.min(sharp, CANVAS_SIDE / Math.max(...sides));
  const inside = sides.map((side) => Math.max(1, Math.round(side * pixels)));
  if (canvas.width !== inside[0] || canvas.height !== inside[1]) [canvas.width, canvas.height] = inside;
  [canvas.style.width, canvas.style.height] = sides.map((side) => `${side}px`);
  return pixels;
}

function scene() {
  const { picture, result, mesh, streaming } = state;
  return { picture, result, view: view(), mesh, selected: chosen(visible())?.head, named: streaming || result.heads.length > 1 };
}

function update() {
  const now = view(), { palette } = state.mesh;
  $("limit-value").textContent = `${now.greyAbove}°`;
  $("score-value").textContent = now.scoreFrom.toFixed(2);
  $("limit").style.setProperty("--cut", (now.greyAbove - $("limit").min) / ($("limit").max - $("limit").min));
  if (!state.result) return;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;
  const sharp = fit();
  paint(context, scene(), Math.max(LETTERS * rem * sharp, 0.016 * Math.min(canvas.width, canvas.height)));
  const all = state.result.heads.length, heads = visible(), head = chosen(heads);
  $("count").textContent = heads.length < all ? `${heads.length} of ${all}` : all || "";
  $("none").hidden = heads.length > 0;
  $("none").textContent = all ? "All heads are hidden by the sliders." : "No head was found.";
  $("hint").hidden = heads.length < 2;
  fillTable($("heads"), heads, head?.head, now, palette);
  const name = head ? `#${head.head}` : state.selected === null ? "" : `#${state.selected} is not to be seen`;
  describe(head, name, head ? css(colourOf(head, now, palette)) : "");
}

function select(head) {
  if (!head) return;
  state.selected = head.head;
  update();
  $("announce").textContent = announced(head);
}

// What people do

function open(file) {
  if (!file) return;
  if (file.type.startsWith("video/")) openVideo(file);
  else openPhoto(file);
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
function chooseByKey(event) {
  const heads = visible();
  const head = event.key in STEPS ? neighbour(heads, chosen(heads)?.head, STEPS[event.key])
    : event.key === "Home" ? heads[0] : event.key === "End" ? heads.at(-1) : null;
  if (!head || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  select(head);
}

$("file").addEventListener("change", (event) => { open(event.target.files[0]); event.target.value = ""; });
$("camera").addEventListener("click", openCamera);
for (const name of ["dragenter", "dragover"]) document.addEventListener(name, (event) => { event.preventDefault(); $("view").classList.add("over"); });
for (const name of ["dragleave", "drop"]) document.addEventListener(name, (event) => { event.preventDefault(); if (name === "drop" || !event.relatedTarget) $("view").classList.remove("over"); });
document.addEventListener("drop", (event) => open(event.dataTransfer.files[0]));
document.addEventListener("paste", (event) => open(event.clipboardData.files[0]));
document.querySelectorAll("input[name=style], #hide").forEach((input) => input.addEventListener("change", update));
for (const id of ["limit", "score"]) $(id).addEventListener("input", update);
$("play").addEventListener("click", () => {
  if (video.paused || video.ended) video.play();
  else video.pause();
  $("play").textContent = video.paused ? "Play" : "Pause";
});
$("seek").addEventListener("input", (event) => { if (video.duration) video.currentTime = event.target.value * video.duration; });
canvas.addEventListener("click", (event) => {
  const scale = state.result.width / canvas.clientWidth;
  select(headAt(visible(), event.offsetX * scale, event.offsetY * scale));
});
$("heads").addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-head]");
  if (row) select(visible().find((head) => head.head === Number(row.dataset.head)));
});
for (const id of ["view", "heads"]) $(id).addEventListener("keydown", chooseByKey);
const session = () => ({ name: state.name, result: state.result, frames: state.frames, view: view(), version: state.info.version });
$("json").addEventListener("click", () => save(new Blob([jsonOf(session())], { type: "application/json" }), fileName(state.name, ".json")));
$("csv").addEventListener("click", () => save(new Blob([csvOf(session(), state.info.columns)], { type: "text/csv" }), fileName(state.name, ".csv")));
$("picture").addEventListener("click", async () => { // as large as the picture itself
  const { width, height } = state.picture, sheet = new OffscreenCanvas(width, height);
  paint(sheet.getContext("2d"), scene(), Math.max(11, Math.max(width, height) / 90));
  save(await sheet.convertToBlob({ type: "image/png" }), fileName(state.name, ".png"));
});
$("theme").addEventListener("click", () => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme ?? (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
});
new ResizeObserver(update).observe($("view"));

describe(null, "", "");
Promise.all([load("api/info"), load("api/mesh")]).then(([info, mesh]) => {
  Object.assign(state, { info, mesh });
  $("score").min = $("score").value = info.score_threshold;
  $("limit").value = info.unreadable_deg;
  document.documentElement.dataset.ready = "";
  update();
}).catch((error) => say(error.message, { bad: true }));
