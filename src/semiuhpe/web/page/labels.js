// Numbers beside heads: never one over another, never over a neighbour's face unless the head is the selected one.

const BACK = "rgba(16,20,24,.86)", MOST_COVERED = 0.15;

const overlap = ([a1, b1, a2, b2], [c1, d1, c2, d2]) =>
  Math.max(0, Math.min(a2, c2) - Math.max(a1, c1)) * Math.max(0, Math.min(b2, d2) - Math.max(b1, d1));

// Around a box, the best place first, and in its upper corner where the box is large.
function places([x1, y1, x2, y2], width, height) {
  const centre = (x1 + x2 - width) / 2, gap = height / 8;
  const around = [
    [x1, y1 - height - gap], [centre, y1 - height - gap], [x2 - width, y1 - height - gap],
    [x1, y2 + gap], [centre, y2 + gap], [x2 - width, y2 + gap],
    [x2 + gap, y1], [x1 - width - gap, y1], [x2 + gap, y2 - height], [x1 - width - gap, y2 - height],
  ];
  return x2 - x1 > 4 * width && y2 - y1 > 5 * height ? [...around, [x1 + gap, y1 + gap], [x2 - width - gap, y1 + gap]] : around;
}

// items: [{box, forms: [{width, height, …}] from the longest to the shortest, selected}]; size: [width, height] of the
// picture. Returns [{item, form, rectangle}], without those for which there is no place.
export function placed(items, [right, bottom]) {
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  const order = [...items].sort((a, b) => b.selected - a.selected || area(b.box) - area(a.box));
  const out = [];
  for (const item of order) {
    let best = null;
    for (const form of item.forms) {
      for (let [x, y] of places(item.box, form.width, form.height)) {
        const inside = x >= 0 && y >= 0 && x + form.width <= right && y + form.height <= bottom;
        if (!inside && !item.selected) continue;
        x = Math.max(0, Math.min(x, right - form.width));
        y = Math.max(0, Math.min(y, bottom - form.height));
        const rectangle = [x, y, x + form.width, y + form.height];
        if (out.some((other) => overlap(other.rectangle, rectangle) > 0)) continue;
        const covered = items.reduce((sum, other) => sum + (other === item ? 0 : overlap(other.box, rectangle)), 0);
        const cost = covered + (inside ? 0 : overlap(item.box, rectangle));
        if (!best || cost < best.cost) best = { item, form, rectangle, cost };
        if (!cost) break;
      }
      if (best && best.cost <= MOST_COVERED * form.width * form.height) break;
    }
    if (best && (item.selected || best.cost <= MOST_COVERED * area(best.rectangle))) out.push(best);
  }
  return out;
}

// heads: [{box in pixels of the canvas, texts from the longest to the shortest, colour (css), selected}]; size: of the
// letters, in pixels of the canvas.
export function drawLabels(context, heads, size) {
  const font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`, pad = size * 0.36, bar = size * 0.34, height = size * 1.45;
  context.font = font;
  const formOf = (text) => ({ text, width: context.measureText(text).width + 2 * pad + bar, height });
  const items = heads.map((head) => ({ ...head, forms: head.texts.map(formOf) }));
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { item, form, rectangle: [x, y] } of placed(items, [context.canvas.width, context.canvas.height])) {
    context.beginPath();
    context.roundRect(x, y, form.width, height, size * 0.3);
    context.fillStyle = item.selected ? "#fff" : BACK;
    context.fill();
    context.save();
    context.clip();
    context.fillStyle = item.colour;
    context.fillRect(x, y, bar, height);
    context.restore();
    context.fillStyle = item.selected ? "#101418" : "#fff";
    context.fillText(form.text, x + bar + pad, y + height * 0.54);
  }
}
