// The page: a picture or a stream of frames goes to the server, what comes back is drawn, listed and kept for download.

import { css, drawHead, errorColour } from "./draw.js";
import { drawDial } from "./dials.js";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), context = canvas.getContext("2d"), video = $("video");
const FRAME_SIDE = 960, CANVAS_SIDE = 2200, KEPT_FRAMES = 10000;

const state = {
  info: { unreadable_deg: 40, body_bytes: Infinity }, mesh: null,
  picture: null, // what is drawn: an ImageBitmap
  result: null, name: "", selected: 0, frames: [], // frames: results of a video or the camera
  run: 0, // counts sources; answers that belong to an earlier one are dropped
  stream: null,
};

const colourOf = (head) => errorColour(state.mesh?.palette ?? [[53, 183, 121]], head.expected_error_deg, state.info.unreadable_deg);
const limit = () => Number($("limit").value);
const readable = (head) => head.expected_error_deg <= limit();
const signed = (value) => {
  const whole = Math.round(value);
  return `${whole > 0 ? "+" : whole < 0 ? "−" : ""}${Math.abs(whole)}°`;
};

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

async function post(path, body) {
  if (body.size > state.info.body_bytes) throw new Error(`the file is larger than ${(state.info.body_bytes / 1048576).toFixed(0)} MB; reduce it`);
  let answer;
  try {
    answer = await fetch(path, { method: "POST", body, headers: { "Content-Type": body.type || "application/octet-stream" } });
  } catch {
    throw new Error("the server does not answer; is semiuhpe demo still running?");
  }
  if (!answer.ok) {
    const refusal = await answer.json().catch(() => null);
    throw Object.assign(new Error(refusal?.error.message ?? `the server answered ${answer.status}`), { kind: refusal?.error.type });
  }
  return answer;
}

// Photos

async function openPhoto(file) {
  stopStream();
  const run = ++state.run;
  $("busy").hidden = false;
  say(`Looking for heads in ${file.name || "the picture"} …`);
  try {
    const [answer, picture] = await Promise.all([post("api/estimate", file), decode(file)]);
    const result = await answer.json();
    if (run !== state.run) return;
    state.frames = [];
    show(picture, result, file.name || "picture");
    say(`${result.heads.length} head${result.heads.length === 1 ? "" : "s"} in ${result.seconds.toFixed(2)} s, ${result.width} × ${result.height} pixels.`);
  } catch (error) {
    if (run === state.run) say(`${file.name || "The picture"}: ${error.message}`, true);
  } finally {
    if (run === state.run) $("busy").hidden = true;
  }
}

async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch { // a format that the browser cannot show
    return createImageBitmap(await (await post("api/preview", file)).blob());
  }
}

// Videos and the camera: frames one at a time, each drawn together with its own heads

function stopStream() {
  state.run++;
  video.pause();
  state.stream?.getTracks().forEach((track) => track.stop());
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.srcObject = state.stream = null;
  $("player").hidden = true;
  $("camera").textContent = "Camera";
}

async function openVideo(file) {
  stopStream();
  video.src = URL.createObjectURL(file);
  $("player").hidden = false;
  await follow(file.name || "video", false);
}

async function openCamera() {
  if (state.stream) {
    stopStream();
    say("The camera is off.");
    return;
  }
  stopStream();
  if (!navigator.mediaDevices) return say("The camera needs a page on localhost or over https.", true);
  try {
    state.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    return say(`The camera cannot be used: ${error.message}`, true);
  }
  video.srcObject = state.stream;
  $("camera").textContent = "Stop";
  await follow("camera", true);
}

async function follow(name, live) {
  const run = ++state.run, begin = performance.now();
  state.frames = [];
  try {
    await video.play();
  } catch (error) {
    return run === state.run && say(`${name}: the browser cannot play this (${error.message})`, true);
  }
  let last = -1, count = 0, fps = 0, before = performance.now();
  while (run === state.run) {
    if (video.readyState < 2 || (!live && video.currentTime === last)) {
      await new Promise((done) => setTimeout(done, 40));
      continue;
    }
    const time = live ? (performance.now() - begin) / 1000 : video.currentTime;
    last = video.currentTime;
    const scale = Math.min(1, FRAME_SIDE / Math.max(video.videoWidth, video.videoHeight));
    const frame = new OffscreenCanvas(Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
    frame.getContext("2d").drawImage(video, 0, 0, frame.width, frame.height);
    try {
      const answer = await post("api/estimate", await frame.convertToBlob({ type: "image/jpeg", quality: 0.9 }));
      const result = { time_s: Number(time.toFixed(3)), ...(await answer.json()) };
      if (run !== state.run) return;
      state.frames.push(result);
      if (state.frames.length > KEPT_FRAMES) state.frames.shift();
      show(frame, result, name);
      const now = performance.now();
      fps = count++ ? 0.8 * fps + 200 / (now - before) : 1000 / (now - before);
      before = now;
      say(`${name}: ${result.heads.length} head${result.heads.length === 1 ? "" : "s"}, ${fps.toFixed(1)} frames a second.`);
    } catch (error) {
      if (run !== state.run) return;
      say(`${name}: ${error.message}`, true);
      if (error.kind !== "busy") return stopStream();
      await new Promise((done) => setTimeout(done, 300));
    }
    if (!live) {
      $("seek").value = video.currentTime / (video.duration || 1);
      $("clock").textContent = `${Math.floor(video.currentTime / 60)}:${String(Math.floor(video.currentTime % 60)).padStart(2, "0")}`;
      $("play").textContent = video.paused || video.ended ? "Play" : "Pause";
    }
  }
}

// What is seen

function show(picture, result, name) {
  Object.assign(state, { picture, result, name });
  if (state.selected >= result.heads.length) state.selected = 0;
  $("empty").hidden = true;
  canvas.hidden = false;
  $("json").disabled = $("picture").disabled = false;
  const scale = Math.min(CANVAS_SIDE / Math.max(result.width, result.height), 1) || 1;
  const size = [Math.max(1, Math.round(result.width * scale)), Math.max(1, Math.round(result.height * scale))];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  fit();
  update();
}

// A small picture is enlarged to fill the view, which max-width alone would not do.
function fit() {
  if (!canvas.width) return;
  const scale = Math.min($("view").clientWidth / canvas.width, $("view").clientHeight / canvas.height, 3);
  canvas.style.width = `${Math.floor(canvas.width * scale)}px`;
  canvas.style.height = `${Math.floor(canvas.height * scale)}px`;
}

function update() {
  $("limit-value").textContent = `${limit()}°`;
  if (!state.result) return;
  draw();
  list();
  describe(state.result.heads[state.selected]);
}

function draw() {
  const { heads, width } = state.result, style = document.querySelector("input[name=style]:checked").value;
  context.drawImage(state.picture, 0, 0, canvas.width, canvas.height);
  const area = (head) => (head.box[2] - head.box[0]) * (head.box[3] - head.box[1]);
  const order = heads.map((_, i) => i).sort((a, b) => area(heads[a]) - area(heads[b]));
  for (const i of order) {
    if (!readable(heads[i]) && $("hide").checked) continue;
    const look = { style, readable: readable(heads[i]), colour: readable(heads[i]) ? colourOf(heads[i]) : [150, 150, 150] };
    drawHead(context, heads[i], { ...look, selected: i === state.selected && heads.length > 1 }, canvas.width / width, state.mesh);
  }
}

function list() {
  const { heads } = state.result, shown = heads.filter(readable).length;
  $("count").textContent = heads.length ? (shown < heads.length ? `${shown} of ${heads.length}` : heads.length) : "";
  $("none").hidden = heads.length > 0;
  $("none").textContent = "No head was found.";
  const rows = heads.map((head, i) => {
    if (!readable(head) && $("hide").checked) return null;
    const row = document.createElement("tr");
    row.tabIndex = 0;
    row.dataset.head = i;
    row.className = `${i === state.selected ? "selected" : ""} ${readable(head) ? "" : "grey"}`;
    const first = document.createElement("td"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = readable(head) ? css(colourOf(head)) : "rgb(150,150,150)";
    first.append(swatch, String(i + 1));
    row.append(first);
    const cells = [signed(head.azimuth_deg), signed(head.elevation_deg), signed(head.tilt_deg), `±${head.expected_error_deg.toFixed(0)}°`, head.detection_score.toFixed(2)];
    for (const text of cells) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  });
  $("heads").tBodies[0].replaceChildren(...rows.filter(Boolean));
}

function describe(head) {
  $("selected-name").textContent = head && state.result.heads.length > 1 ? `#${state.selected + 1}` : "";
  const colour = head ? css(readable(head) ? colourOf(head) : [150, 150, 150]) : "";
  for (const kind of ["azimuth", "elevation", "tilt"]) {
    const value = head ? head[`${kind}_deg`] : null;
    drawDial($(`dial-${kind}`), kind, value, head?.expected_error_deg ?? 0, colour);
    $(kind).textContent = head ? signed(value) : "–";
  }
  const euler = head?.euler_deg["300w-lp"];
  $("error").textContent = head ? `±${head.expected_error_deg.toFixed(1)}°` : "–";
  $("radius").textContent = head ? `±${head.error_90_deg.toFixed(1)}°` : "–";
  $("euler").textContent = head ? `${signed(euler.pitch)} / ${signed(euler.yaw)} / ${signed(euler.roll)}` : "–";
}

function select(index) {
  state.selected = index;
  update();
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// What people do

function open(file) {
  if (!file) return;
  if (file.type.startsWith("video/")) openVideo(file);
  else openPhoto(file);
}

$("file").addEventListener("change", (event) => { open(event.target.files[0]); event.target.value = ""; });
$("camera").addEventListener("click", openCamera);
for (const name of ["dragenter", "dragover"]) document.addEventListener(name, (event) => { event.preventDefault(); $("view").classList.add("over"); });
for (const name of ["dragleave", "drop"]) document.addEventListener(name, (event) => { event.preventDefault(); if (name === "drop" || !event.relatedTarget) $("view").classList.remove("over"); });
document.addEventListener("drop", (event) => open(event.dataTransfer.files[0]));
document.addEventListener("paste", (event) => open(event.clipboardData.files[0]));
document.querySelectorAll("input[name=style], #hide").forEach((input) => input.addEventListener("change", update));
$("limit").addEventListener("input", update);
$("play").addEventListener("click", () => (video.paused || video.ended ? video.play() : video.pause(), ($("play").textContent = video.paused ? "Play" : "Pause")));
$("seek").addEventListener("input", (event) => { if (video.duration) video.currentTime = event.target.value * video.duration; });
canvas.addEventListener("click", (event) => {
  const scale = state.result.width / canvas.clientWidth, x = event.offsetX * scale, y = event.offsetY * scale;
  const distance = ({ box: [x1, y1, x2, y2] }) => Math.hypot(x - (x1 + x2) / 2, y - (y1 + y2) / 2) / (x2 - x1 + y2 - y1);
  const nearest = state.result.heads.map((head, i) => [distance(head), i]).sort((a, b) => a[0] - b[0])[0];
  if (nearest && nearest[0] < 0.5) select(nearest[1]);
});
$("heads").addEventListener("click", (event) => { const row = event.target.closest("tr[data-head]"); if (row) select(Number(row.dataset.head)); });
$("heads").addEventListener("keydown", (event) => {
  const row = event.target.closest("tr[data-head]"), key = event.key;
  if (!row || !["Enter", " ", "ArrowDown", "ArrowUp"].includes(key)) return;
  event.preventDefault();
  const next = key === "ArrowDown" ? row.nextElementSibling : key === "ArrowUp" ? row.previousElementSibling : row;
  if (!next) return;
  select(Number(next.dataset.head));
  $("heads").querySelector("tr.selected")?.focus();
});
$("json").addEventListener("click", () => {
  const content = state.frames.length ? { source: state.name, frames: state.frames } : { source: state.name, ...state.result };
  save(new Blob([JSON.stringify({ semiuhpe: state.info.version, ...content }, null, 2)], { type: "application/json" }), "heads.json");
});
$("picture").addEventListener("click", () => canvas.toBlob((blob) => save(blob, "heads.png")));
$("theme").addEventListener("click", () => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme ?? (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
});
addEventListener("resize", fit);

describe(null);
const load = async (path) => (await fetch(path)).json();
Promise.all([load("api/info"), load("api/mesh")]).then(([info, mesh]) => { Object.assign(state, { info, mesh }); update(); })
  .catch(() => say("The server does not answer; is semiuhpe demo still running?", true));
