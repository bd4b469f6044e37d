// A crop box of a person's own: typed, drawn with the mouse, or moved by arrows while the picture has the focus.
function setBox(n, box) {
  const [width, height] = sizeOf(n);
  const inside = (at, most) => Math.min(Math.max(Math.round(at), 0), most);
  const [left, top] = [inside(box[0], width - 1), inside(box[1], height - 1)];
  const told = [left, top, Math.max(left + 1, inside(box[2], width)), Math.max(top + 1, inside(box[3], height))].join(",");
  edit(n, "crop_box", told);
  const typed = one('[data-column="crop_box"]');
  if (typed) typed.value = told;
  look(n);
}
if (columns.crop_box) {
  const large = one("#large");
  large.tabIndex = 0;
  large.setAttribute("aria-label", "Crop box: arrows move it, with Shift they move its lower right corner");
  large.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [width, height] = sizeOf(open);
    const step = Math.max(1, Math.round(Math.max(width, height) / 100));
    const [x, y] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    let [left, top, right, bottom] = cropOf(open) ?? [0, 0, width, height];
    if (event.shiftKey) [right, bottom] = [right + x, bottom + y];
    else if (left + x >= 0 && right + x <= width && top + y >= 0 && bottom + y <= height)
      [left, top, right, bottom] = [left + x, top + y, right + x, bottom + y];
    setBox(open, [left, top, right, bottom]);
  });
  let start = null;
  const at = (event) => {
    const frame = one(".shot", large).getBoundingClientRect(), [width, height] = sizeOf(open);
    return [(event.clientX - frame.left) * width / frame.width, (event.clientY - frame.top) * height / frame.height];
  };
  large.addEventListener("pointerdown", (event) => {
    if (!one(".shot", large).contains(event.target)) return;
    event.preventDefault();
    start = at(event);
    large.setPointerCapture(event.pointerId);
  });
  large.addEventListener("pointermove", (event) => {
    if (!start) return;
    const end = at(event);
    setBox(open, [Math.min(start[0], end[0]), Math.min(start[1], end[1]), Math.max(start[0], end[0]), Math.max(start[1], end[1])]);
  });
  large.addEventListener("pointerup", () => { start = null; });
}
