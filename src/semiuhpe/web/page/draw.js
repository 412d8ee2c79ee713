// Heads on a canvas, as semiuhpe.drawing draws them: the same camera, the same mesh, the same colours.

import { GREY } from "./heads.js";

const DISTANCE = 6; // from the camera to the middle of the head, in head radii
const RED = "rgb(235,40,40)", GREEN = "rgb(40,200,60)", BLUE = "rgb(50,110,255)", RIM = "rgb(20,20,20)";
const LIGHT = [-0.45, -0.65, -0.61];

export const css = (rgb) => `rgb(${rgb.map((v) => Math.max(0, Math.min(255, Math.round(v)))).join(",")})`;
const mix = (rgb, share, grey) => rgb.map((v) => v + share * (grey - v));
const turn = (r, [x, y, z]) => r.map((row) => row[0] * x + row[1] * y + row[2] * z);

// head: as HeadPoses.to_dict writes it; look: {style, colour (rgb), readable, selected}; scale: canvas pixels a picture pixel.
export function drawHead(context, head, look, scale, mesh) {
  const [x1, y1, x2, y2] = head.box.map((v) => v * scale);
  const place = { x: (x1 + x2) / 2, y: (y1 + y2) / 2, radius: (x2 - x1 + y2 - y1) / 4 };
  context.lineJoin = context.lineCap = "round";
  if (look.style === "box" || look.selected) drawBox(context, [x1, y1, x2, y2], look, place.radius);
  if (look.style === "axes") drawAxes(context, head.rotation, place, look);
  if (look.style === "cube") drawCube(context, head.rotation, place, look);
  if (look.style === "cone") drawCone(context, head, place, look);
  if (look.style === "mesh" && mesh) drawMesh(context, head.rotation, place, look, mesh);
}

const strokeWidth = (radius) => Math.max(1.2, radius / 16);
const flat = (place, [x, y, z]) => {
  const near = DISTANCE / (DISTANCE + z);
  return [place.x + place.radius * x * near, place.y + place.radius * y * near];
};

function trace(context, points, close) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (close) context.closePath();
}

function outlined(context, points, colour, width, close = false) {
  trace(context, points, close);
  context.strokeStyle = RIM;
  context.lineWidth = width * 1.35 + 2;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

function drawBox(context, [x1, y1, x2, y2], look, radius) {
  if (look.style === "box") {
    outlined(context, [[x1, y1], [x2, y1], [x2, y2], [x1, y2]], css(look.colour), Math.max(1.2, radius / 28), true);
  }
  if (!look.selected) return;
  const [dx, dy, width] = [(x2 - x1) / 6, (y2 - y1) / 6, Math.max(1.5, radius / 40)];
  for (const [x, y, sx, sy] of [[x1, y1, 1, 1], [x2, y1, -1, 1], [x2, y2, -1, -1], [x1, y2, 1, -1]]) {
    outlined(context, [[x + sx * dx, y], [x, y], [x, y + sy * dy]], "#fff", width);
  }
}

function drawAxes(context, rotation, place, look) {
  const axes = [[[1, 0, 0], RED], [[0, 1, 0], GREEN], [[0, 0, -1], BLUE]].map(([axis, colour]) => [turn(rotation, axis), colour]);
  axes.sort((a, b) => b[0][2] - a[0][2]); // far ones first
  for (const [[x, y], colour] of axes) {
    const tip = [place.x + 1.1 * place.radius * x, place.y + 1.1 * place.radius * y];
    outlined(context, [[place.x, place.y], tip], look.readable ? colour : css(GREY), strokeWidth(place.radius));
  }
}

function drawCube(context, rotation, place, look) {
  const corners = [];
  for (const x of [-1, 1]) for (const y of [-1, 1]) for (const z of [-1, 1]) corners.push([x, y, z]);
  const turned = corners.map((c) => turn(rotation, c.map((v) => 0.75 * v)));
  const edges = [];
  for (let a = 0; a < 8; a++) for (let b = a + 1; b < 8; b++) {
    if (corners[a].filter((v, i) => v !== corners[b][i]).length === 1) edges.push([a, b]);
  }
  edges.sort((p, q) => turned[q[0]][2] + turned[q[1]][2] - turned[p[0]][2] - turned[p[1]][2]);
  for (const [a, b] of edges) {
    const depth = corners[a][2] + corners[b][2];
    const colour = !look.readable ? css(GREY) : depth < 0 ? BLUE : depth > 0 ? RED : "rgb(225,225,225)";
    outlined(context, [flat(place, turned[a]), flat(place, turned[b])], colour, strokeWidth(place.radius) / 2);
  }
}

function drawCone(context, head, place, look) {
  const length = 1.7, half = (Math.max(7, Math.min(40, head.expected_error_deg)) * Math.PI) / 180;
  const radius = length * Math.tan(half);
  const solid = (x, y, z) => turn(head.rotation, [x, y, z]);
  const base = solid(0, 0, -length);
  const rim = Array.from({ length: 40 }, (_, i) => (i * 2 * Math.PI) / 40)
    .map((t) => flat(place, solid(radius * Math.sin(t), -radius * Math.cos(t), -length)));
  const apex = [place.x, place.y];
  const open = base[0] ** 2 + base[1] ** 2 + (base[2] + DISTANCE) * base[2] < 0;
  const width = strokeWidth(place.radius), thin = Math.max(1, width / 2);
  const shapes = [
    [hull([...rim, apex]), css(mix(look.colour, 0.38, 0))],
    [rim, css(mix(look.colour, 0.35, 255))],
  ];
  context.save();
  context.globalAlpha = look.readable ? 0.55 : 0.4;
  for (const [points, colour] of open ? shapes : shapes.reverse()) {
    trace(context, points, true);
    context.fillStyle = colour;
    context.fill();
  }
  context.restore();
  outlined(context, hull([...rim, apex]), css(mix(look.colour, 0.38, 0)), width / 3, true);
  if (!open) for (let i = 0; i < 40; i += 5) outlined(context, [apex, rim[i]], css(look.colour), thin / 2);
  outlined(context, rim, css(look.colour), thin, true);
  outlined(context, [flat(place, base), rim[0]], css(look.colour), thin);
}

function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const cross = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const chain = (list) => {
    const out = [];
    for (const p of list) {
      while (out.length > 1 && cross(out.at(-2), out.at(-1), p) <= 0) out.pop();
      out.push(p);
    }
    return out.slice(0, -1);
  };
  return [...chain(sorted), ...chain(sorted.reverse())];
}

function drawMesh(context, rotation, place, look, mesh) {
  const count = mesh.vertices.length / 3;
  const xs = new Float64Array(count), ys = new Float64Array(count), zs = new Float64Array(count);
  let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
  for (let i = 0; i < count; i++) {
    const [x, y, z] = turn(rotation, mesh.vertices.slice(3 * i, 3 * i + 3));
    const near = DISTANCE / (DISTANCE + z);
    xs[i] = x * near; ys[i] = y * near; zs[i] = z;
    left = Math.min(left, xs[i]); right = Math.max(right, xs[i]);
    top = Math.min(top, ys[i]); bottom = Math.max(bottom, ys[i]);
  }
  const scale = (place.radius * 4) / (right - left + bottom - top); // the drawing fits the head's box
  const toX = (x) => place.x + scale * (x - (left + right) / 2), toY = (y) => place.y + scale * (y - (top + bottom) / 2);
  const faces = [];
  for (let t = 0; t < mesh.tone.length; t++) {
    const [a, b, c] = [mesh.triangles[3 * t], mesh.triangles[3 * t + 1], mesh.triangles[3 * t + 2]];
    if ((xs[b] - xs[a]) * (ys[c] - ys[a]) - (ys[b] - ys[a]) * (xs[c] - xs[a]) < 0) faces.push([zs[a] + zs[b] + zs[c], a, b, c, t]);
  }
  faces.sort((p, q) => q[0] - p[0]);
  // On a sheet of its own, opaque, so that overlapping triangles are not blended twice.
  const rim = Math.max(0.7, place.radius / 60), margin = Math.ceil(3 * rim + 2);
  const sheet = document.createElement("canvas");
  const [offsetX, offsetY] = [Math.floor(toX(left)) - margin, Math.floor(toY(top)) - margin];
  sheet.width = Math.max(1, Math.ceil(toX(right) - offsetX) + margin);
  sheet.height = Math.max(1, Math.ceil(toY(bottom) - offsetY) + margin);
  const paper = sheet.getContext("2d", { willReadFrequently: true });
  paper.lineJoin = "round";
  const paths = faces.map(([, a, b, c]) => [a, b, c].map((v) => [toX(xs[v]) - offsetX, toY(ys[v]) - offsetY]));
  for (const [colour, width] of [["rgb(235,235,235)", 3 * rim], [RIM, rim]]) {
    paper.strokeStyle = colour;
    paper.lineWidth = 2 * width;
    paper.beginPath();
    for (const [p, q, r] of paths) { paper.moveTo(...p); paper.lineTo(...q); paper.lineTo(...r); paper.closePath(); }
    paper.stroke();
  }
  paper.lineWidth = 0.8; // closes the hairlines that anti-aliasing leaves between triangles
  const toEye = Math.hypot(LIGHT[0], LIGHT[1], LIGHT[2] - 1), half = [LIGHT[0], LIGHT[1], LIGHT[2] - 1].map((v) => v / toEye);
  const covers = new OffscreenCanvas(sheet.width, sheet.height).getContext("2d"); // how opaque each pixel is, as grey
  covers.fillStyle = "#fff";
  covers.fillRect(0, 0, sheet.width, sheet.height);
  covers.lineWidth = paper.lineWidth;
  faces.forEach(([, , , , t], i) => {
    const normal = turn(rotation, mesh.normals.slice(3 * t, 3 * t + 3));
    const towards = normal[0] * LIGHT[0] + normal[1] * LIGHT[1] + normal[2] * LIGHT[2];
    const shine = 0.28 * Math.max(0, normal[0] * half[0] + normal[1] * half[1] + normal[2] * half[2]) ** 14;
    const matt = mesh.tone[t] * (0.42 + 0.58 * Math.max(0, towards) + 0.08 * towards);
    paper.fillStyle = paper.strokeStyle = css(look.colour.map((v) => matt * v + 255 * shine));
    trace(paper, paths[i], true);
    paper.fill();
    paper.stroke();
    // Thin where it is seen straight on, so that the face shows through; dark features tell where it looks, and stay.
    const thin = Math.max(0, Math.min(1, -normal[2])) * Math.max(0, Math.min(1, mesh.tone[t] * 2 - 1));
    covers.fillStyle = covers.strokeStyle = css(Array(3).fill(255 * (0.8 - 0.5 * thin)));
    trace(covers, paths[i], true);
    covers.fill();
    covers.stroke();
  });
  const drawn = paper.getImageData(0, 0, sheet.width, sheet.height), cover = covers.getImageData(0, 0, sheet.width, sheet.height).data;
  for (let i = 0; i < cover.length; i += 4) drawn.data[i + 3] = (drawn.data[i + 3] * cover[i]) / 255;
  paper.putImageData(drawn, 0, 0);
  context.save();
  context.globalAlpha = look.readable ? 1 : 0.7;
  context.drawImage(sheet, offsetX, offsetY);
  context.restore();
}
