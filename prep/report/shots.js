// Pictures and what is drawn over them: what the bucket shows, faces, regions.
const SVG = "http://www.w3.org/2000/svg";
function make(name, values = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(values)) {
    if (key in made && !key.startsWith("aria")) made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
function drawn(name, values) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
  return made;
}
const kindOf = (data) => (data.startsWith("/9j/") ? "jpeg" : "webp");
const sizeOf = (n) => pictures[n].size;

// The crop of a picture in px: a person's own, or that of its bucket.
function cropOf(n) {
  const own = (columns.crop_box ? cellOf(n, "crop_box") : "").split(",").map(Number);
  if (own.length === 4 && own.every(Number.isFinite)) return own;
  const [width, height] = sizeOf(n);
  return pictures[n].frame?.map((at, side) => at * (side % 2 ? height : width));
}

function shot(n, boxes = []) {
  const picture = pictures[n];
  const [width, height] = sizeOf(n);
  const made = make("span", { className: "shot" });
  made.append(picture.image
    ? make("img", { src: `data:image/${kindOf(picture.image)};base64,${picture.image}`, alt: "", width, height, decoding: "async" })
    : make("span", { className: "none" }, "no picture"));
  const over = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" });
  const box = ([left, top, right, bottom], kind) =>
    over.append(drawn("rect", { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top), class: kind }));
  const crop = cropOf(n);
  if (crop) {
    const [left, top, right, bottom] = crop;
    over.append(drawn("path", { class: "cut", d: `M0 0H${width}V${height}H0ZM${left} ${top}V${bottom}H${right}V${top}Z` }));
    box(crop, "crop");
  }
  for (const face of picture.faces ?? []) box(face.box, ["face", "head"].includes(face.kind) ? "face" : "body");
  for (const region of boxes) box(region, "region");
  made.append(over);
  return made;
}

// Pictures within sections are drawn when they come near.
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) {
    seen.unobserve(target);
    const box = target.dataset.box?.split(",").map(Number);
    target.replaceChildren(...shot(Number(target.dataset.n), box ? [box] : []).children);
  }
}, { rootMargin: "400px" });
for (const place of each("[data-n]")) seen.observe(place);

// What was decided is told beside the buttons that decide it.
function tell(n) {
  for (const place of each(n === undefined ? "[data-said]" : `[data-said="${n}"]`)) {
    const said = decided(Number(place.dataset.said));
    const crop = columns.crop_box ? cellOf(Number(place.dataset.said), "crop_box") : "";
    place.textContent = ({ yes: " kept", no: " dropped" }[said] ?? "") + (crop ? ` cropped to ${crop}` : "");
  }
}
watchers.push(tell);
tell();
for (const button of each("[data-crop]")) button.hidden = !columns.crop_box;
document.addEventListener("click", (event) => {
  const { keep: wish, crop, of, open: named } = event.target.closest?.("[data-keep], [data-crop], [data-open]")?.dataset ?? {};
  if (wish) edit(Number(of), "keep", cellOf(Number(of), "keep") === wish ? pictures[of].cells?.keep ?? "" : wish);
  else if (crop) edit(Number(of), "crop_box", cellOf(Number(of), "crop_box") === crop ? pictures[of].cells?.crop_box ?? "" : crop);
  else if (named) openEditor(Number(named), event.target);
});
