// The editor of one picture: a field for each column of the sheet; what is typed holds at once.
const editor = one("#editor");
let open = -1;
let opener = null;

function openEditor(n, from) {
  opener = from ?? opener;
  open = n;
  one("#title").textContent = pictures[n].key;
  one("#fields").replaceChildren(...Object.values(columns).map((column) => field(n, column)));
  facts(n);
  look(n);
  if (!editor.open) editor.showModal();
  const at = order.indexOf(n);
  one("#before").disabled = at < 1;
  one("#after").disabled = at < 0 || at + 1 >= order.length;
  one("#fields").querySelector("input, select, textarea")?.focus();
}

function field(n, column) {
  const label = make("label", { className: `field ${column.kind}` });
  const value = cellOf(n, column.name);
  let box;
  if (column.kind === "decision") {
    box = make("select");
    for (const [word, told] of [[proposal(n), proposal(n) || "not decided"], ["yes", "yes: keep it"], ["no", "no: drop it"]])
      box.append(make("option", { value: word, textContent: told }));
  } else if (["tags", "caption", "note"].includes(column.kind)) box = make("textarea", { rows: { tags: 5, caption: 4, note: 2 }[column.kind] });
  else box = make("input", { type: "text", inputMode: column.kind === "number" ? "decimal" : "text" });
  box.value = value;
  box.dataset.column = column.name;
  const wrong = make("span", { className: "warn", role: "alert" });
  box.addEventListener("input", () => {
    edit(n, column.name, box.value);
    wrong.textContent = column.kind === "number" ? badNumber(column, box.value) : "";
    look(n);
  });
  wrong.textContent = column.kind === "number" ? badNumber(column, value) : "";
  label.append(make("span", {}, column.name), box, wrong);
  return label;
}
function badNumber(column, text) {
  const number = Number(text.replace(",", "."));
  if (!text.trim() || (Number.isFinite(number) && number >= column.least && number <= column.most)) return "";
  return Math.abs(column.least) < 1e15 ? `a number from ${column.least} to ${column.most}` : "a number";
}

// The picture with what is drawn over it; the one that it is alike stands beside it.
function look(n) {
  const { like, box } = pictures[n];
  const regions = [...(box ? [box] : []), ...(pictures[n].checks ?? []).flatMap((check) => (check.box ? [check.box] : []))];
  const both = [shot(n, regions), ...(like === undefined ? [] : [shot(like)])];
  one("#large").replaceChildren(...both);
}
function facts(n) {
  const { size, bucket, tokens, text, place, why, source, told, like, checks } = pictures[n];
  const rows = [
    `${size[0]}x${size[1]} px`, bucket ? `bucket ${bucket}` : "", place + (why ? `: ${why}` : ""),
    source ? `made from ${source}` : "", like === undefined ? "" : told,
    ...(checks ?? []).map((check) => `${check.kind}: ${check.why}`), `${tokens} tokens: ${text || "no text"}`,
  ];
  one("#facts").replaceChildren(...rows.filter(Boolean).map((row) => make("p", { className: "quiet" }, row)));
}

function closeEditor() {
  editor.close();
}
function turn(step) {
  const next = order[order.indexOf(open) + step];
  if (open >= 0 && next !== undefined) { go(next, false); openEditor(next); }
}
editor.addEventListener("close", () => {
  const back = opener?.classList.contains("tile") ? tiles.get(active) : opener;
  open = -1;
  back?.focus();
});
one("#close").addEventListener("click", closeEditor);
one("#before").addEventListener("click", () => turn(-1));
one("#after").addEventListener("click", () => turn(1));
one("#revert").addEventListener("click", () => { revert(open); openEditor(open); });
editor.addEventListener("keydown", (event) => {
  if (event.key === "PageUp" || event.key === "PageDown") {
    event.preventDefault();
    turn(event.key === "PageUp" ? -1 : 1);
  }
});
