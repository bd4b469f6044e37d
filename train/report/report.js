// The report: one slider over the steps of all samples, or all of them side by side.
const slider = one("#steps");
const every = one("#every");
function show() {
  const steps = slider.dataset.steps.split(" ").map(Number);
  const step = steps[slider.value];
  one("#step").textContent = step;
  slider.setAttribute("aria-valuetext", `step ${step}`);
  for (const prompt of each(".steps")) {
    const figures = each("figure", prompt);
    const seen = figures.filter((figure) => Number(figure.dataset.step) <= step).pop() ?? figures[0];
    for (const figure of figures) figure.hidden = !(every?.ariaPressed === "true" || figure === seen);
  }
}
if (slider) {
  slider.addEventListener("input", show);
  every?.addEventListener("click", () => {
    const wish = every.ariaPressed !== "true";
    every.setAttribute("aria-pressed", wish);
    one(".samples").classList.toggle("every", wish);
    slider.disabled = wish;
    show();
  });
  show();
}
