// The selected head: its dials, its figures, and where it faces in words.

import { drawDial } from "./dials.js";
import { inWords, signed } from "./heads.js";

const $ = (id) => document.getElementById(id);
const KINDS = ["azimuth", "elevation", "tilt"];

// head: null for none; name: what is written beside the title; colour: css.
export function describe(head, name, colour) {
  $("selected-name").textContent = name;
  for (const kind of KINDS) {
    drawDial($(`dial-${kind}`), kind, head, colour);
    $(kind).textContent = head ? signed(head[`${kind}_deg`]) : "–";
  }
  const euler = head?.euler_deg["300w-lp"];
  $("words").textContent = head ? inWords(head) : "no head is selected";
  $("error").textContent = head ? `±${head.expected_error_deg.toFixed(1)}°` : "–";
  $("radius").textContent = head ? `±${head.error_90_deg.toFixed(1)}°` : "–";
  $("euler").textContent = head ? `${signed(euler.pitch)} / ${signed(euler.yaw)} / ${signed(euler.roll)}` : "–";
}

// For those who hear the page: what the selection has become.
export const announced = (head) =>
  `Head ${head.head}: ${inWords(head)}; ${KINDS.map((kind) => `${kind} ${Math.round(head[`${kind}_deg`])}`).join(", ")} degrees, give or take ${Math.round(head.expected_error_deg)}`;
