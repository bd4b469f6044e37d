"""The pictures drawn while training: each prompt over the steps, by one slider."""

from itertools import groupby

from prep.pages.markup import Markup, element, join
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles, SamplePicture

_MOST_SIDE = 512  # px
_MOST = 600  # pictures: about 20 MB of page


def samples(run: RunFiles, pictures: ReportPictures) -> Markup | None:
    """Return each prompt's pictures, and a slider over the steps; None where none was drawn."""
    found = run.samples
    if not found:
        return None
    steps = sorted({one.step for one in found})
    if len(found) > _MOST:  # the last step, and of the others every so many
        every = -(-len(found) // _MOST)
        steps = sorted({*steps[::every], steps[-1]})
        found = [one for one in found if one.step in steps]
    each = [_prompt([*own], pictures) for _, own in groupby(found, key=lambda one: one.number)]
    return join(_slider(steps), element("div", *each, class_="samples"))


def _slider(steps: list[int]) -> Markup:
    last = len(steps) - 1
    label = element(
        "label",
        "Step ",
        element("output", str(steps[-1]), id="step"),
        element(
            "input", type="range", id="steps", min=0, max=last, step=1, value=last,
            data_steps=" ".join(map(str, steps)),
        ),
        class_="slider",
    )  # fmt: skip
    every = element(
        "button", "All steps side by side", type="button", id="every", aria_pressed="false"
    )
    return element("div", label, every, class_="bar") if last else label


def _prompt(own: list[SamplePicture], pictures: ReportPictures) -> Markup:
    text = own[-1].prompt.splitlines()
    told = text[0] if text else f"prompt {own[-1].number}"
    more = [element("p", line, class_="quiet") for line in text[1:]]
    shown = [
        element(
            "figure", picture, element("figcaption", f"step {one.step}"),
            data_step=one.step, hidden=one is not own[-1],
        )
        for one in own
        if (picture := pictures.shown(one.path, _MOST_SIDE, f"{told}, step {one.step}"))
    ]  # fmt: skip
    about = element("details", element("summary", told), *more)
    return element("section", element("div", *shown, class_="steps"), about, aria_label=told)
