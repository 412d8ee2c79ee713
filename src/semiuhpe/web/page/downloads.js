// Files of what is shown, named after the photo or the video: photo.json, photo.csv, photo.png.

import { shown } from "./heads.js";

export function fileName(source, ending) {
  const stem = source.replace(/\.[^.]*$/, "").replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").trim() || "heads";
  return stem + ending;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// session: {name, result, frames, view, version}; frames is empty for a photo.
export function jsonOf({ name, result, frames, view, version }) {
  const of = (one) => ({ ...one, heads: shown(one.heads, view) });
  const head = { semiuhpe: version, source: name, score_from: view.scoreFrom, grey_above_deg: view.greyAbove };
  return JSON.stringify({ ...head, ...(frames.length ? { frames: frames.map(of) } : of(result)) }, null, 2);
}

// columns: as `semiuhpe predict --csv` writes them, and as HeadPoses.from_csv reads them.
export function csvOf({ result, frames, view }, columns) {
  const first = frames.length ? ["frame", "time_s", "track_id"] : ["head"];
  const rows = (frames.length ? frames : [result]).flatMap((one) => shown(one.heads, view).map((head) => ({ ...one, ...flat(head) })));
  const all = [...first, ...columns];
  return [all, ...rows.map((row) => all.map((column) => row[column]))].map((line) => line.join(",") + "\n").join("");
}

function flat({ box: [x1, y1, x2, y2], quaternion_xyzw: [qx, qy, qz, qw], euler_deg, ...head }) {
  const angles = Object.entries(euler_deg).flatMap(([name, euler]) => Object.entries(euler).map(([angle, value]) => [`${name}_${angle}_deg`, value]));
  return { ...head, x1, y1, x2, y2, qx, qy, qz, qw, ...Object.fromEntries(angles) };
}
