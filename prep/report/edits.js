// What the page knows, and what was edited in it. An edit keeps the revision of the row that it was
// made of, so that an import tells what changed since.
const known = JSON.parse(one("#data").textContent);
const pictures = known.pictures;
const columns = Object.fromEntries(known.columns.map((column) => [column.name, column]));
const shelf = `prep report ${location.pathname}`;
const watchers = []; // called with the number of a picture, or with nothing: all of them
let edits = new Map(); // key -> { revision, cells }
let saved = true;
let kept = true; // the browser keeps edits of a page from the disk

const cellOf = (n, name) => edits.get(pictures[n].key)?.cells[name] ?? pictures[n].cells?.[name] ?? "";
const isEdited = (n) => edits.has(pictures[n].key);
const countEdits = () => [...edits.values()].reduce((sum, row) => sum + Object.keys(row.cells).length, 0);

function edit(n, name, value) {
  const { key, revision, cells } = pictures[n];
  const row = edits.get(key) ?? { revision, cells: {} };
  if (value === (cells?.[name] ?? "") && row.revision === revision) delete row.cells[name];
  else row.cells[name] = value;
  if (Object.keys(row.cells).length) edits.set(key, row);
  else edits.delete(key);
  saved = false;
  changed(n);
}
function revert(n) {
  if (edits.delete(pictures[n].key)) { saved = false; changed(n); }
}
function changed(n) {
  keep();
  for (const watcher of watchers) watcher(n);
}

// Edits outlive the page in the browser's storage until they are saved and imported.
function keep() {
  const said = JSON.stringify({ id: known.id, saved, rows: [...edits] });
  try {
    if (edits.size) localStorage.setItem(shelf, said);
    else localStorage.removeItem(shelf);
  } catch { kept = false; }
}
function recall() {
  let found = null;
  try { found = JSON.parse(localStorage.getItem(shelf)); } catch { kept = false; }
  if (!Array.isArray(found?.rows) || (found.saved && found.id !== known.id)) return; // imported meanwhile
  const there = new Map(pictures.map((picture) => [picture.key, picture]));
  for (const [key, row] of found.rows) {
    const picture = there.get(key);
    if (!picture) continue;
    const cells = Object.entries(row.cells).filter(([name, value]) => name in columns && value !== (picture.cells?.[name] ?? ""));
    if (cells.length) edits.set(key, { revision: row.revision, cells: Object.fromEntries(cells) });
  }
  saved = Boolean(found.saved) || !edits.size;
}
recall();

// What stands under `keep` of a copy until somebody says yes or no.
const proposal = (n) => (pictures[n].cells?.keep ?? "").match(/^(yes|no)?$/) ? "" : pictures[n].cells.keep;
const decided = (n) => { const cell = cellOf(n, "keep"); return cell === "yes" || cell === "no" ? cell : ""; };
const undecided = (n) => Boolean(proposal(n)) && !decided(n);
