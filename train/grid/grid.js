// The grid: filters, keys, and the viewer of one picture or of two.
const rows = each("tbody tr");
const viewer = one("#viewer");
const frames = each(".stage figure");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let chosen = [];
let shown = [];
let front = 0;
let scale = 0; // 0: as large as there is room
let share = 1; // what it is then
let timer = null;

function filter() {
  const off = {};
  for (const box of each("[data-axis]")) if (!box.checked) (off[box.dataset.axis] ??= new Set()).add(box.value);
  const hides = (data, axes) => axes.some((axis) => off[axis]?.has(data[axis]));
  for (const row of rows) row.hidden = hides(row.dataset, ["prompt", "seed", "sampler"]);
  for (const cell of each("[data-export]")) cell.hidden = hides(cell.dataset, ["export", "strength"]);
}
for (const box of each("[data-axis]")) box.addEventListener("change", filter);

const size = one("#size");
const resize = () => document.documentElement.style.setProperty("--cell", `${size.value}px`);
size.value = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--cell"), 10);
size.addEventListener("input", resize);
one("#filter").open = innerWidth > 640;

// The cells that are seen, row by row; an arrow goes to the next one in its direction.
function neighbour(cell, key) {
  const grid = rows.filter((row) => !row.hidden).map((row) => each("td:not([hidden])", row).map((td) => one(".cell", td)));
  const y = grid.findIndex((row) => row.includes(cell));
  if (y < 0) return null;
  let [down, right] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
  for (let v = y + down, x = grid[y].indexOf(cell) + right; grid[v]?.[x] !== undefined; v += down, x += right)
    if (grid[v][x]) return grid[v][x];
  return null;
}

function choose(cell) {
  chosen = chosen.includes(cell) ? chosen.filter((other) => other !== cell) : [...chosen, cell].slice(-2);
  for (const other of each(".cell")) other.setAttribute("aria-pressed", chosen.includes(other));
  one("#tray").hidden = !chosen.length;
  one("#chosen").textContent = chosen.map((other) => other.ariaLabel).join("  |  ");
  one("#compare").disabled = chosen.length < 2;
}

one(".grid").addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  if (event.shiftKey || event.ctrlKey || event.metaKey) choose(cell); else open([cell]);
});
one(".grid").addEventListener("keydown", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow")) {
    event.preventDefault();
    neighbour(cell, event.key)?.focus();
  } else if (event.key === "c") {
    choose(cell);
    if (chosen.length === 2) open(chosen);
  }
});
one("#compare").addEventListener("click", () => open(chosen));
one("#forget").addEventListener("click", () => { for (const cell of chosen) choose(cell); one(".cell")?.focus(); });

function open(cells) {
  shown = cells;
  front = 0;
  scale = 0;
  stop();
  if (!viewer.open) viewer.showModal();
  frames.forEach((frame, n) => {
    if (!cells[n]) return;
    one("img", frame).src = one("img", cells[n]).src;
    one("img", frame).alt = one("figcaption", frame).textContent = cells[n].ariaLabel;
  });
  for (const button of each(".two")) button.hidden = cells.length < 2;
  beside(true);
}

function beside(wish) {
  one("#beside").setAttribute("aria-pressed", wish);
  draw();
}
const isBeside = () => one("#beside").ariaPressed === "true";

function draw() {
  const here = document.activeElement;
  frames.forEach((frame, n) => { frame.hidden = n >= shown.length || (!isBeside() && n !== front); });
  if (!viewer.contains(here) || here.closest("[hidden]")) one("figure:not([hidden]) .pane", viewer).focus();
  const seen = frames.flatMap((frame, n) => (frame.hidden ? [] : [[one("img", frame), one("img", shown[n])]]));
  for (const [image] of seen) image.style.width = "0"; // so that panes are as large as there is room
  const fits = seen.map(([image, cell]) => Math.min(
    image.parentElement.clientWidth / cell.getAttribute("width"), image.parentElement.clientHeight / cell.getAttribute("height")));
  share = scale || Math.min(...fits);
  for (const [image, cell] of seen) image.style.width = `${Math.max(1, Math.floor(cell.getAttribute("width") * share))}px`;
  one("#zoom").textContent = `${Math.round(share * 100)} %`;
}

function zoom(factor) {
  scale = Math.min(16, Math.max(0.1, share * factor));
  draw();
}

function swap() {
  if (shown.length < 2) return;
  front = 1 - front;
  beside(false);
}
function stop() {
  clearInterval(timer);
  timer = null;
  one("#flicker").setAttribute("aria-pressed", "false");
}
function flicker() {
  if (timer !== null) return stop();
  swap();
  if (still.matches) return; // each press swaps once
  timer = setInterval(swap, 600);
  one("#flicker").setAttribute("aria-pressed", "true");
}

function close() {
  stop();
  viewer.close();
  shown[0].focus();
}
one("#close").addEventListener("click", close);
one("#larger").addEventListener("click", () => zoom(1.5));
one("#smaller").addEventListener("click", () => zoom(1 / 1.5));
one("#swap").addEventListener("click", () => { stop(); swap(); });
one("#flicker").addEventListener("click", flicker);
one("#beside").addEventListener("click", () => { stop(); beside(!isBeside()); });
viewer.addEventListener("close", stop);
viewer.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = { Escape: close, "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": () => { scale = 0; draw(); } };
  if (event.key in keys) { event.preventDefault(); keys[event.key](); }
  else if (event.key === " " && shown.length === 2 && event.target.tagName !== "BUTTON") { event.preventDefault(); stop(); swap(); }
  else if (event.key.startsWith("Arrow") && shown.length === 1 && !scale) {
    event.preventDefault();
    const next = neighbour(shown[0], event.key);
    if (next) open([next]);
  }
});
addEventListener("resize", () => viewer.open && draw());
for (const [n, frame] of frames.entries()) {
  const pane = one(".pane", frame);
  pane.addEventListener("scroll", () => {
    const other = one(".pane", frames[1 - n]);
    if (shown.length === 2 && isBeside()) { other.scrollLeft = pane.scrollLeft; other.scrollTop = pane.scrollTop; }
  });
}
