// Edits leave the page as one small file, which `prep review import` reads.
const FILE = "edits.json";
function written() {
  const rows = [...edits].map(([key, row]) => ({ key, revision: row.revision, cells: row.cells }));
  return `${JSON.stringify({ edits_of: "prep report", version: 1, pictures: rows }, null, 1)}\n`;
}
function save() {
  const link = make("a", { href: URL.createObjectURL(new Blob([written()], { type: "application/json" })), download: FILE });
  document.body.append(link);
  link.click();
  link.remove();
  saved = true;
  changed();
}
function tray() {
  const count = countEdits();
  one("#tray").hidden = !count;
  one("#unsaved").textContent = `${count} edit${count === 1 ? "" : "s"}${saved ? ", saved" : ", not saved"}`;
  one("#then").textContent = saved ? `Then type: prep review import ${FILE} --in FOLDER, with the place where the browser put it.`
    : kept ? "The browser keeps them for this page until they are saved." : "They are lost when the page is closed: save them.";
}
watchers.push(tray);
tray();
one("#save").addEventListener("click", save);
one("#edited").addEventListener("click", () => {
  one("#show").value = "edited";
  one("#search").value = "";
  choose();
  go(order[0]);
});
one("#forget").addEventListener("click", () => {
  if (!confirm(`Undo ${countEdits()} edits?`)) return;
  edits.clear();
  saved = true;
  changed();
  go(active);
});
addEventListener("beforeunload", (event) => { if (!saved && edits.size) event.preventDefault(); });
const folder = decodeURIComponent(location.pathname).split("/").slice(-2, -1)[0];
if (folder) document.title = one("#folder").textContent = `Pictures of ${folder}`;
