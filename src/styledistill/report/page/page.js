"use strict";
document.documentElement.classList.add("scripted");
const { scores, names } = JSON.parse(document.getElementById("data").textContent);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

// Images of models stand in the page as images; originals, which many cells show, as backgrounds of a class each.
const address = (shown) => (shown.tagName === "IMG" ? shown.src : getComputedStyle(shown).backgroundImage.slice(5, -2));
const words = (shown) => shown.getAttribute("alt") ?? shown.getAttribute("aria-label");
function source(model, pair) {
  return address(one(`#golden-grid [data-zoom="${model}"][data-pair="${pair}"] > *`));
}

// --- golden grid
function show() {
  const models = new Set(all("input[data-model]:checked").map((box) => box.dataset.model));
  const style = one("#only-style").value, content = one("#only-content").value;
  for (const cell of all("[data-column]")) cell.hidden = !models.has(cell.dataset.column);
  for (const band of all("tbody[data-style]")) band.hidden = style !== "" && band.dataset.style !== style;
  for (const row of all("tr[data-content]")) row.hidden = content !== "" && row.dataset.content !== content;
  enter(grid);
}
const side = one("#side"), grid = one("#golden-grid");
side.value = parseInt(getComputedStyle(grid).getPropertyValue("--side"), 10);  // smaller on a phone
side.addEventListener("input", () => grid.style.setProperty("--side", `${side.value}px`));

// --- tables of images: Tab enters each once, the arrow keys walk over what is visible
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function visible(table) {
  return all("tr", table).map((row) => all(".shot", row).filter((shot) => shot.offsetParent !== null)).filter((row) => row.length);
}
function neighbor(shot, [dx, dy]) {
  const rows = visible(shot.closest("table"));
  const y = rows.findIndex((row) => row.includes(shot)), x = rows[y].indexOf(shot);
  const row = rows[(y + dy + rows.length) % rows.length];
  return row[Math.min((x + dx + row.length) % row.length, row.length - 1)];
}
function enter(table, shot = visible(table)[0]?.[0]) {
  for (const other of all(".shot", table)) other.tabIndex = other === shot ? 0 : -1;
}
const zoom = one("#zoom"), stage = one(".stage", zoom);
let at = null;
for (const table of new Set(all(".shot").map((shot) => shot.closest("table")))) {
  enter(table);
  table.addEventListener("click", (event) => {
    const shot = event.target.closest(".shot");
    if (shot) enlarge(shot);
  });
  table.addEventListener("keydown", (event) => {
    const shot = event.target.closest(".shot");
    if (!shot || !ARROWS[event.key]) return;
    event.preventDefault();
    const next = neighbor(shot, ARROWS[event.key]);
    enter(table, next);
    next.focus();
  });
}
for (const control of all("input[data-model], #only-style, #only-content")) control.addEventListener("change", show);
show();  // a browser may bring back what was chosen before a reload

// --- zoom
function enlarge(shot) {
  at = shot;
  const { zoom: model, pair } = shot.dataset, shown = shot.firstElementChild, image = one("img", stage);
  image.src = address(shown);
  image.alt = words(shown);
  one("strong", zoom).textContent = image.alt;
  const numbers = model === "content" || model === "style" ? [] : Object.entries(scores[model]?.[pair] ?? {});
  one(".note", zoom).textContent = numbers.map(([name, value]) => `${names[name]} ${value}`).join(" · ");
  if (!zoom.open) zoom.showModal();
}
function magnify(factor) {
  const now = Number(getComputedStyle(stage).getPropertyValue("--zoom"));
  stage.style.setProperty("--zoom", Math.min(8, Math.max(1, now * factor)));
  stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
}
const ACTIONS = {
  ArrowLeft: () => enlarge(neighbor(at, ARROWS.ArrowLeft)), ArrowRight: () => enlarge(neighbor(at, ARROWS.ArrowRight)),
  ArrowUp: () => enlarge(neighbor(at, ARROWS.ArrowUp)), ArrowDown: () => enlarge(neighbor(at, ARROWS.ArrowDown)),
  "+": () => magnify(2), "-": () => magnify(0.5), close: () => zoom.close(),
  p: () => one('[data-do="p"]', zoom).setAttribute("aria-pressed", String(zoom.classList.toggle("pixels"))),
};
for (const button of all("[data-do]", zoom)) button.addEventListener("click", () => ACTIONS[button.dataset.do]());
zoom.addEventListener("keydown", (event) => {
  const action = ACTIONS[event.key === "=" ? "+" : event.key];
  if (!action || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  action();
});
stage.addEventListener("click", (event) => { if (event.target === stage) zoom.close(); });
zoom.addEventListener("close", () => {
  stage.style.removeProperty("--zoom");
  enter(at.closest("table"), at);
  at.focus();
});

// --- slider
const wipe = one("#wipe"), range = one("input", wipe);
function slide() {
  wipe.style.setProperty("--at", `${range.value}%`);
  range.setAttribute("aria-valuetext", `${Math.round(range.value)} % ${one("#left").value}`);
}
function compare() {
  const pair = `${one("#pick-content input:checked").value}_${one("#pick-style input:checked").value}`;
  const left = one("#left").value, right = one("#right").value;
  for (const [image, model] of [[one(".over", wipe), left], [one(".under", wipe), right]]) {
    image.src = source(model, pair);
    image.alt = `${model}, ${pair}`;
  }
  one(".tag.left", wipe).textContent = left;
  one(".tag.right", wipe).textContent = right;
  slide();
  const table = one("#pair-numbers");
  table.replaceChildren();
  for (const texts of [["", left, right], ...Object.keys(names).map((name) => [name, left, right])]) {
    const [name, ...models] = texts, line = document.createElement("tr");
    const values = name ? models.map((model) => scores[model]?.[pair]?.[name] ?? "–") : models;
    if (values.every((value) => value === "–")) continue;
    for (const [index, text] of [names[name] ?? "", ...values].entries()) {
      const cell = document.createElement(Boolean(name) === (index === 0) ? "th" : "td");
      if (cell.tagName === "TH") cell.scope = name ? "row" : "col";
      cell.textContent = text;
      line.append(cell);
    }
    table.append(line);
  }
}
range.addEventListener("input", slide);
for (const input of all("#pick-content input, #pick-style input, #left, #right")) input.addEventListener("change", compare);
compare();

// --- tables: the first click sorts upwards, the next downwards; missing values stay last
function sort(header) {
  const table = header.closest("table"), column = [...header.parentNode.children].indexOf(header), body = table.tBodies[0];
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => row.cells[column].dataset.value;
  const amount = (text) => (text === "" ? NaN : text === "inf" ? Infinity : Number(text));
  const rows = [...body.rows], numeric = rows.some((row) => !Number.isNaN(amount(value(row))));
  rows.sort((a, b) => {
    if (!numeric) return (down ? -1 : 1) * value(a).localeCompare(value(b));
    const [x, y] = [amount(value(a)), amount(value(b))];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return (down ? -1 : 1) * (x === y ? 0 : x < y ? -1 : 1);
  });
  body.append(...rows);
}
for (const button of all("table.data thead button")) button.addEventListener("click", () => sort(button.closest("th")));
