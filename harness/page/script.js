// Sorting and filtering. Without this file the tables stand as they are.
"use strict";

// The number that a cell opens with; NaN where it opens with none.
function number(text) {
  return parseFloat(text.replace("−", "-"));
}

// -1, 0, 1; cells without a number stand last in either direction.
function compare(one, other, kind, sign) {
  if (kind === "text") return sign * (one < other ? -1 : one > other ? 1 : 0);
  const a = number(one), b = number(other);
  if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b);
  return sign * (a - b);
}

function sort(table, header, column) {
  const ascending = header.hasAttribute("aria-sort")
    ? header.getAttribute("aria-sort") === "descending"
    : header.dataset.sort !== "down";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[0];
  const kind = header.dataset.sort === "text" ? "text" : "number";
  const keyed = [...body.rows].map((row) => [row.cells[column].textContent.trim().toLowerCase(), row]);
  keyed.sort((a, b) => compare(a[0], b[0], kind, ascending ? 1 : -1));
  body.append(...keyed.map((pair) => pair[1]));
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (!header.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(table, header, column));
  });
}

for (const form of document.querySelectorAll(".filter")) {
  const input = form.querySelector("input"), count = form.querySelector("output");
  const bodies = [...document.getElementById(input.getAttribute("aria-controls")).tBodies];
  const rows = bodies.flatMap((body) => [...body.rows]).filter((row) => row.cells.length > 1);
  form.hidden = false;
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${rows.length} shown` : "";
  };
  input.addEventListener("input", filter);
  filter(); // a browser may have kept the words
}

// What scrolls must be reachable by keyboard; what fits need not be a stop.
for (const region of document.querySelectorAll(".scroll")) {
  const fit = () => {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  };
  addEventListener("resize", fit);
  fit();
}
