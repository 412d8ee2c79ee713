// What is said of heads, without any element of the page: their numbers, which of them are shown, and in which words.

export const GREY = [150, 150, 150];

// Heads as the server answers, each with the number by which the picture, the table and the files name it: the identity
// in a video, the place in the list in a photo.
export const numbered = (heads) => heads.map((head, i) => ({ head: head.track_id ?? i + 1, ...head }));

// view: {style, scoreFrom, greyAbove (degrees), hideGrey}.
export const isGrey = (head, view) => head.expected_error_deg > view.greyAbove;

export const shown = (heads, view) =>
  heads
    .filter((head) => head.detection_score >= view.scoreFrom && !(view.hideGrey && isGrey(head, view)))
    .sort((a, b) => a.head - b.head);

export function colourOf(head, view, palette) {
  if (isGrey(head, view)) return GREY;
  return palette[Math.round(Math.min(1, head.expected_error_deg / view.greyAbove) * (palette.length - 1))];
}

// The head after (step 1) or before (step −1) the one with that number; round and round.
export function neighbour(heads, number, step) {
  if (!heads.length) return null;
  const place = heads.findIndex((head) => head.head === number);
  if (place < 0) return heads[step > 0 ? 0 : heads.length - 1];
  return heads[(place + step + heads.length) % heads.length];
}

// The head whose box is nearest to a point of the picture, or null where none is near.
export function headAt(heads, x, y) {
  const distance = ({ box: [x1, y1, x2, y2] }) => Math.hypot(x - (x1 + x2) / 2, y - (y1 + y2) / 2) / (x2 - x1 + y2 - y1);
  const nearest = heads.map((head) => [distance(head), head]).sort((a, b) => a[0] - b[0])[0];
  return nearest && nearest[0] < 0.5 ? nearest[1] : null;
}

export function signed(degrees) {
  const whole = Math.round(degrees);
  return `${whole > 0 ? "+" : whole < 0 ? "−" : ""}${Math.abs(whole)}°`;
}

// Where a head faces, in words that need no sign: left and right are those of the picture.
export function inWords({ azimuth_deg: azimuth, elevation_deg: elevation, tilt_deg: tilt }) {
  const side = azimuth > 0 ? "left" : "right", turned = Math.abs(azimuth);
  const where = turned <= 20 ? "faces the camera"
    : turned <= 70 ? `faces half ${side}`
    : turned <= 110 ? `faces ${side}`
    : turned <= 160 ? `faces away, half ${side}`
    : "faces away from the camera";
  const up = Math.abs(elevation) < 12 ? "" : elevation > 0 ? ", looks up" : ", looks down";
  const leans = Math.abs(tilt) < 12 ? "" : tilt > 0 ? ", leans clockwise" : ", leans anticlockwise";
  return where + up + leans;
}
