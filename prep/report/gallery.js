// The gallery: only what is near the window is in the page, however many pictures there are.
const room = one("#gallery");
const tiles = new Map(); // number -> its button
const heads = new Map(); // row -> its heading
let order = []; // numbers of the pictures that are shown
let lines = []; // { top, height, head } or { top, height, numbers }
let placeOf = new Map(); // number -> [line, column]
let active = -1;
let side = 0;
const GAP = 8, NAME = 22, HEAD = 34, NEAR = 600;

const lower = pictures.map((picture) => `${picture.key}\n${Object.values(picture.cells ?? {}).join("\n")}`.toLowerCase());
const tests = {
  "": () => true,
  proposed: (n) => Boolean(proposal(n)),
  alike: (n) => pictures[n].like !== undefined,
  findings: (n) => Boolean(pictures[n].checks?.length),
  faces: (n) => Boolean(pictures[n].faces?.length),
  trained: (n) => pictures[n].place === "trained" && decided(n) !== "no",
  validation: (n) => pictures[n].place === "validation",
  dropped: (n) => decided(n) === "no" || pictures[n].place === "dropped",
  unfit: (n) => pictures[n].place === "fits no bucket",
  wordless: (n) => !pictures[n].text,
  long: (n) => pictures[n].tokens > 75,
  edited: isEdited,
};
const groupName = {
  bucket: (n) => (pictures[n].bucket ? `${pictures[n].bucket} px` : "no bucket"),
  concept: (n) => pictures[n].concept || "no concept",
  "": () => "",
};

function choose() {
  const test = tests[one("#show").value], by = groupName[one("#group").value];
  const words = one("#search").value.toLowerCase().trim();
  const groups = new Map();
  for (let n = 0; n < pictures.length; n++) {
    if (!test(n) || (words && !lower[n].includes(words))) continue;
    const name = by(n);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(n);
  }
  const sorted = [...groups].sort(([one, a], [other, b]) => b.length - a.length || (one < other ? -1 : 1));
  order = sorted.flatMap(([, numbers]) => numbers);
  one("#count").textContent = `${order.length} of ${pictures.length}`;
  arrange(sorted);
}

function arrange(groups) {
  const wide = room.clientWidth;
  side = wide < 500 ? Math.floor((wide - GAP) / 2) : pictures.length > 400 ? 128 : 176;
  const across = Math.max(1, Math.floor((wide + GAP) / (side + GAP)));
  let top = 0;
  lines = [];
  placeOf = new Map();
  for (const [name, numbers] of groups) {
    if (name) {
      lines.push({ top, height: HEAD, head: `${name}: ${numbers.length}` });
      top += HEAD;
    }
    for (let at = 0; at < numbers.length; at += across) {
      const row = numbers.slice(at, at + across);
      row.forEach((n, column) => placeOf.set(n, [lines.length, column]));
      lines.push({ top, height: side + NAME + GAP, numbers: row });
      top += side + NAME + GAP;
    }
  }
  room.style.height = `${top}px`;
  if (!placeOf.has(active)) active = order[0] ?? -1;
  for (const [, tile] of tiles) tile.remove();
  tiles.clear();
  for (const [, head] of heads) head.remove();
  heads.clear();
  draw();
}

// Put what is near the window into the page, and take out what is not; the active one stays.
function draw() {
  const from = -room.getBoundingClientRect().top - NEAR, to = from + innerHeight + 2 * NEAR;
  const wanted = new Set(), named = new Set();
  lines.forEach((line, row) => {
    if (line.top + line.height < from || line.top > to) return;
    if (line.head) {
      named.add(row);
      if (!heads.has(row)) {
        const head = make("h3", { textContent: line.head });
        head.style.top = `${line.top}px`;
        heads.set(row, head);
        room.append(head);
      }
    } else for (const n of line.numbers) wanted.add(n);
  });
  if (active >= 0) wanted.add(active);
  for (const [n, tile] of tiles) if (!wanted.has(n)) { tile.remove(); tiles.delete(n); }
  for (const [row, head] of heads) if (!named.has(row)) { head.remove(); heads.delete(row); }
  for (const n of wanted) if (!tiles.has(n)) {
    const tile = tileOf(n);
    tiles.set(n, tile);
    room.append(tile);
  }
}

function tileOf(n) {
  const [row, column] = placeOf.get(n);
  const tile = make("button", { type: "button", className: "tile", tabIndex: n === active ? 0 : -1 });
  tile.dataset.tile = n;
  tile.style.top = `${lines[row].top}px`;
  tile.style.left = `${column * (side + GAP)}px`;
  tile.style.width = `${side}px`;
  fill(tile, n);
  return tile;
}
function fill(tile, n) {
  const state = decided(n) === "no" || pictures[n].place === "dropped" ? "dropped" : undecided(n) ? "proposed" : "";
  const marks = [state, isEdited(n) ? "edited" : "", pictures[n].place === "validation" ? "validation" : ""].filter(Boolean);
  const picture = shot(n);
  picture.style.height = `${side}px`;
  const name = make("span", { className: "label" }, pictures[n].key);
  const badges = make("span", { className: "marks" }, ...marks.map((mark) => make("span", { className: mark }, mark)));
  tile.replaceChildren(picture, badges, name);
  tile.classList.toggle("off", state === "dropped");
  tile.setAttribute("aria-label", [pictures[n].key, ...marks].join(", "));
}
watchers.push((n) => {
  if (n === undefined) for (const [m, tile] of tiles) fill(tile, m);
  else if (tiles.has(n)) fill(tiles.get(n), n);
});

// Make a picture the one that the keys are about, and bring it into the window.
function go(n, focus = true) {
  if (n === undefined || !placeOf.has(n)) return;
  const before = tiles.get(active);
  if (before) before.tabIndex = -1;
  active = n;
  const line = lines[placeOf.get(n)[0]];
  const top = room.getBoundingClientRect().top + line.top, below = one("#tray").offsetHeight + 16;
  if (top < 60) scrollBy(0, top - 60);
  else if (top + line.height > innerHeight - below) scrollBy(0, top + line.height - innerHeight + below);
  draw();
  tiles.get(n).tabIndex = 0;
  if (focus) tiles.get(n).focus({ preventScroll: true });
}
function neighbour(n, key) {
  const at = order.indexOf(n), [row, column] = placeOf.get(n);
  if (key === "ArrowLeft") return order[at - 1];
  if (key === "ArrowRight") return order[at + 1];
  if (key === "Home") return order[0];
  if (key === "End") return order[order.length - 1];
  const step = key === "ArrowUp" || key === "PageUp" ? -1 : 1;
  let left = key.startsWith("Page") ? 5 : 1;
  let found;
  for (let to = row + step; lines[to] && left; to += step) if (lines[to].numbers) {
    found = lines[to].numbers[Math.min(column, lines[to].numbers.length - 1)];
    left -= 1;
  }
  return found;
}
const decide = (n, wish) => edit(n, "keep", wish === decided(n) && !proposal(n) ? "" : wish);
room.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || active < 0) return;
  const keys = { d: () => decide(active, "no"), k: () => decide(active, "yes"), u: () => revert(active) };
  if (/^(Arrow|Page|Home|End)/.test(event.key)) go(neighbour(active, event.key));
  else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
});
room.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (tile) { go(Number(tile.dataset.tile), false); openEditor(active, tile); }
});
for (const id of ["#show", "#group"]) one(id).addEventListener("change", choose);
one("#search").addEventListener("input", choose);
let waits = false;
addEventListener("scroll", () => {
  if (!waits) requestAnimationFrame(() => { waits = false; draw(); });
  waits = true;
}, { passive: true });
let width = innerWidth;
addEventListener("resize", () => { if (width !== innerWidth) { width = innerWidth; choose(); } else draw(); });
choose();
