// The table of heads: one row for each that is shown, in the order of their numbers.

import { css } from "./draw.js";
import { colourOf, isGrey, signed } from "./heads.js";

function cell(content, name = "td") {
  const node = document.createElement(name);
  node.append(...[content].flat());
  return node;
}

function rowOf(head, isSelected, view, palette) {
  const row = document.createElement("tr"), swatch = document.createElement("span"), first = cell([], "th");
  row.tabIndex = isSelected ? 0 : -1; // one stop for Tab; arrow keys go on from there
  row.dataset.head = head.head;
  row.className = `${isSelected ? "selected" : ""} ${isGrey(head, view) ? "grey" : ""}`;
  if (isSelected) row.setAttribute("aria-current", "true");
  swatch.className = "swatch";
  swatch.style.background = css(colourOf(head, view, palette));
  first.scope = "row";
  first.append(swatch, String(head.head));
  const texts = [signed(head.azimuth_deg), signed(head.elevation_deg), signed(head.tilt_deg), `±${head.expected_error_deg.toFixed(0)}°`, head.detection_score.toFixed(2)];
  row.append(first, ...texts.map((text) => cell(text)));
  return row;
}

export function fillTable(table, heads, selected, view, palette) {
  const focused = table.contains(document.activeElement);
  table.tBodies[0].replaceChildren(...heads.map((head) => rowOf(head, head.head === selected, view, palette)));
  const row = table.querySelector("tr.selected") ?? table.tBodies[0].rows[0];
  if (!row) return;
  row.tabIndex = 0;
  if (focused) row.focus({ preventScroll: true });
  const box = table.parentElement, top = row.offsetTop - table.tHead.offsetHeight;
  if (top < box.scrollTop) box.scrollTop = top; // only the table scrolls, never the page
  else if (row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = row.offsetTop + row.offsetHeight - box.clientHeight;
}
