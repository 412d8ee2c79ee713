// A picture with its heads on a canvas of any size: the one on the page, and the one that is saved.

import { css, drawHead } from "./draw.js";
import { drawLabels } from "./labels.js";
import { colourOf, isGrey, shown } from "./heads.js";

const CROWD = 12, SMALLER = 0.85; // of more heads than that only the numbers are written, and smaller

// scene: {picture, result: {width, heads}, view, mesh, selected (number), named}; named: whether numbers are written.
// letters: least size of letters, pixels of the canvas.
export function paint(context, scene, letters) {
  const { picture, result, view, mesh, selected, named } = scene, { canvas } = context, scale = canvas.width / result.width;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const heads = shown(result.heads, view), several = heads.length > 1, crowd = heads.length > CROWD;
  const area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);
  for (const head of [...heads].sort((a, b) => area(a) - area(b))) {
    const look = { style: view.style, readable: !isGrey(head, view), colour: colourOf(head, view, mesh.palette) };
    drawHead(context, head, { ...look, selected: several && head.head === selected }, scale, mesh);
  }
  const labels = heads.map((head) => {
    const error = isGrey(head, view) && !(crowd && named) ? `±${head.expected_error_deg.toFixed(0)}°` : "", number = named ? String(head.head) : "";
    const texts = number && error ? [`${number} ${error}`, number] : [number || error];
    return { box: head.box.map((v) => v * scale), texts, colour: css(colourOf(head, view, mesh.palette)), selected: several && head.head === selected };
  });
  drawLabels(context, labels.filter((label) => label.texts[0]), crowd ? letters * SMALLER : letters);
}
