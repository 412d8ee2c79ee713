// Three dials: azimuth from above, elevation from the side, tilt from the front; a wedge as wide as the expected error.

const NS = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
}

// Where an angle points on its dial, as a unit vector with y down.
const DIRECTIONS = {
  azimuth: (a) => [-Math.sin(a), Math.cos(a)], // the camera is below; positive turns to the image left
  elevation: (a) => [-Math.cos(a), -Math.sin(a)], // the head looks to the left; positive is up
  tilt: (a) => [Math.sin(a), -Math.cos(a)], // the crown; positive leans clockwise
};

export function drawDial(svg, kind, degrees, errorDegrees, colour) {
  svg.replaceChildren(element("circle", { r: 52, class: "dial-face" }));
  const at = (deg, radius) => DIRECTIONS[kind]((deg * Math.PI) / 180).map((v) => v * radius);
  const range = kind === "elevation" ? [-90, 90] : [-180, 150];
  for (let tick = range[0]; tick <= range[1]; tick += 30) {
    const [x1, y1] = at(tick, tick % 90 ? 47 : 43);
    const [x2, y2] = at(tick, 51);
    svg.append(element("line", { x1, y1, x2, y2, class: "dial-tick" }));
  }
  if (degrees === null) {
    svg.setAttribute("aria-label", `${kind}: no head selected`);
    return;
  }
  const half = Math.min(errorDegrees, 179.9);
  const [x1, y1] = at(degrees - half, 50);
  const [x2, y2] = at(degrees + half, 50);
  // On all three dials growing angles run clockwise.
  const wedge = `M0 0 L${x1} ${y1} A50 50 0 ${half > 90 ? 1 : 0} 1 ${x2} ${y2} Z`;
  svg.append(element("path", { d: wedge, fill: colour, class: "dial-wedge" }));
  const [x, y] = at(degrees, 42);
  svg.append(element("line", { x1: 0, y1: 0, x2: x, y2: y, class: "dial-needle" }));
  svg.append(element("circle", { r: 5, class: "dial-hub" }));
  svg.setAttribute("aria-label", `${kind} ${degrees.toFixed(0)} degrees, give or take ${errorDegrees.toFixed(0)}`);
}
