// Three dials: azimuth from above, elevation from the side, tilt from the front. On each lies a small head, turned as the
// selected one is; around it a band as wide as the expected error.

const NS = "http://www.w3.org/2000/svg";
const BAND = [36, 50];

function element(name, attributes, ...children) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
const part = (kind, d) => element("path", { d, class: `dial-${kind}` });
const oval = (kind, cx, cy, rx, ry) => element("ellipse", { cx, cy, rx, ry, class: `dial-${kind}` });

// Where an angle points on its dial, as a unit vector with y down.
const DIRECTIONS = {
  azimuth: (a) => [-Math.sin(a), Math.cos(a)], // the camera is below; positive turns to the image left
  elevation: (a) => [-Math.cos(a), -Math.sin(a)], // the head looks to the left; positive is up
  tilt: (a) => [Math.sin(a), -Math.cos(a)], // the crown; positive leans clockwise
};
const TICKS = { azimuth: [-180, 150], elevation: [-90, 90], tilt: [-180, 150] };

// Heads at angle 0: seen from above with the nose to the camera, from the side with the nose to the left, from the front.
const HEADS = {
  azimuth: () => [
    oval("skin", -19, 0, 4, 5), oval("skin", 19, 0, 4, 5), part("skin", "M-5 19 L0 28 L5 19 Z"),
    oval("skin", 0, 0, 18, 23), oval("hair", 0, -4, 17.5, 19),
  ],
  elevation: () => [
    part("skin", "M2 -24 C-12 -25 -19 -17 -18 -7 L-25 4 L-19 6 L-20 11 L-18 13 L-18 19 L-6 22 L8 18 C20 10 23 0 20 -9 C17 -20 10 -24 2 -24 Z"),
    part("hair", "M2 -24.5 C-11 -25.5 -17 -19 -18 -12 C-10 -14 -5 -11 -4 -4 L2 6 L6 19 C20 11 23.5 0 20.5 -9 C17.5 -20 10 -24.5 2 -24.5 Z"),
    oval("skin", 3, 2, 3.4, 5), oval("eye", -12, -3, 2, 2.4),
  ],
  // The face moves to where it is turned; from behind there is none.
  tilt: ({ azimuth_deg: azimuth, elevation_deg: elevation }) => {
    const x = -13 * Math.sin((azimuth * Math.PI) / 180), y = -7 * Math.sin((elevation * Math.PI) / 180);
    const head = [oval("skin", -18, 2, 3.5, 5.5), oval("skin", 18, 2, 3.5, 5.5), oval("skin", 0, 0, 17, 23)];
    if (Math.abs(azimuth) > 100) return [...head, oval("hair", 0, -3, 17.5, 20.5)];
    const half = Math.abs(x) > 8 ? 0 : 1; // in profile one eye is seen
    const eyes = [...(half || x < 0 ? [oval("eye", x - 5.5 * half, y - 1, 2, 2.4)] : []), ...(half || x > 0 ? [oval("eye", x + 5.5 * half, y - 1, 2, 2.4)] : [])];
    const nose = part("line", `M${x} ${y + 1} l${x / 6} 6 l${x < 0 ? 2 : -2} 0`), mouth = part("line", `M${x - 4} ${y + 13} q4 2.5 8 0`);
    return [...head, part("hair", "M-17.5 -3 C-18 -28 18 -28 17.5 -3 C12 -14 -12 -14 -17.5 -3 Z"), ...eyes, nose, mouth];
  },
};

function band(from, to, at) {
  const [inner, outer] = BAND, long = to - from > 180 ? 1 : 0;
  const [a, b, c, d] = [at(from, outer), at(to, outer), at(to, inner), at(from, inner)];
  // On all three dials growing angles run clockwise.
  return `M${a} A${outer} ${outer} 0 ${long} 1 ${b} L${c} A${inner} ${inner} 0 ${long} 0 ${d} Z`;
}

// head: as HeadPoses.to_dict writes it, or null. Of the elevation's dial, the head looks to that side of the picture to
// which it is turned.
export function drawDial(svg, kind, head, colour) {
  const dial = element("g", {}), at = (deg, radius) => DIRECTIONS[kind]((deg * Math.PI) / 180).map((v) => v * radius);
  dial.append(element("circle", { r: 52, class: "dial-face" }));
  for (let tick = TICKS[kind][0]; tick <= TICKS[kind][1]; tick += 30) {
    const [[x1, y1], [x2, y2]] = [at(tick, tick % 90 ? 47 : 43), at(tick, 51)];
    dial.append(element("line", { x1, y1, x2, y2, class: "dial-tick" }));
  }
  if (kind === "azimuth") svg.replaceChildren(dial, element("path", { d: "M-9 55 h12 v3 l6 -3 v9 l-6 -3 v3 h-12 z", class: "dial-camera" }));
  else svg.replaceChildren(dial);
  if (!head) {
    svg.setAttribute("aria-label", `${kind}: no head selected`);
    return;
  }
  const degrees = head[`${kind}_deg`], half = Math.min(head.expected_error_deg, 179.9);
  const [[x1, y1], [x2, y2]] = [at(degrees, 33), at(degrees, 52)];
  dial.append(
    element("path", { d: band(degrees - half, degrees + half, at), fill: colour, class: "dial-band" }),
    element("line", { x1, y1, x2, y2, class: "dial-needle" }),
    element("g", { transform: `rotate(${degrees})`, class: "dial-head" }, ...HEADS[kind](head)),
  );
  if (kind === "elevation" && head.azimuth_deg < 0) dial.setAttribute("transform", "scale(-1 1)");
  svg.setAttribute("aria-label", `${kind} ${degrees.toFixed(0)} degrees, give or take ${head.expected_error_deg.toFixed(0)}`);
}
