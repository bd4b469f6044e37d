"""Which pictures of a run were the hardest, learnt at once, or learnt by heart."""

from collections.abc import Iterable
from pathlib import Path

from prep.pages.markup import Markup, element, join
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles
from train.run import loss_report
from train.run.loss_report import PictureLoss
from train.run.memorised import falls

_SHOWN = 10
_SIDE = 128  # px
_TEXT = 300  # letters


def hardest(run: RunFiles, pictures: ReportPictures) -> Markup | None:
    """Return the ten hardest and the ten learnt quickest; None where nothing was shown yet."""
    if run.shown is None:
        return None
    each = loss_report.report(run.shown)
    if not each:
        return element("p", "No picture was shown often enough yet.", class_="quiet")
    quick = sorted(each, key=lambda one: (one.fall, one.key))
    return join(
        element("h3", "Hardest"),
        element(
            "p", "Loss over that of all pictures at the same timesteps, in the last half of its "
            "showings. A wrong caption is often among them.", class_="quiet",
        ),
        _list(run, pictures, ((one, one.level, one.level_error) for one in each[:_SHOWN])),
        element("h3", "Learnt at once"),
        element(
            "p", "The same in the last third of its showings over that in the first: what is far "
            "below 1 was learnt soon, or by heart.", class_="quiet",
        ),
        _list(run, pictures, ((one, one.fall, one.fall_error) for one in quick[:_SHOWN])),
    )  # fmt: skip


def memorised(run: RunFiles) -> list[str]:
    """Return the keys of pictures that are learnt by heart, as it was measured last."""
    rows = run.measured
    fell = falls(rows[0].trained, rows[-1].trained) if len(rows) > 1 else []
    return [one.key for one in fell if one.stands_out()]


def _list(
    run: RunFiles, pictures: ReportPictures, each: Iterable[tuple[PictureLoss, float, float]]
) -> Markup:
    known = set(memorised(run))
    rows = [
        element(
            "li",
            thumbnail(run, pictures, one.key),
            element("strong", f"{value:.2f}"), f" +- {value * error:.2f}, seen {one.seen}",
            element("strong", " learnt by heart", class_="warn") if one.key in known else None,
            element("br"),
            element("span", one.key, class_="code"),
            element("br"),
            element("span", text_of(run, one.key), class_="quiet"),
        )
        for one, value, error in each
    ]  # fmt: skip
    return element("ol", *rows, class_="pictures")


def thumbnail(run: RunFiles, pictures: ReportPictures, key: str) -> Markup | None:
    """Return a picture that trains, small; None where its file is not there any more."""
    file = run.pictures.get(key, {}).get("file")
    return pictures.shown(Path(str(file)), _SIDE, "") if file else None


def text_of(run: RunFiles, key: str) -> str:
    """Return the text of a picture, and its further ones; the end of a long one is left out."""
    told = " | ".join(map(str, run.pictures.get(key, {}).get("texts", ())))
    return told if len(told) <= _TEXT else f"{told[:_TEXT]}..."
