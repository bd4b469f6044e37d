"""What a run was given: buckets, texts that were cut, its settings."""

from collections import Counter

from prep.pages.markup import Markup, element, join
from prep.pages.page_table import table
from prep.runtime.yaml_nodes import as_yaml
from train.option_fields import flag
from train.report.pictures_section import text_of, thumbnail
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles

_SHOWN = 100


def buckets(run: RunFiles, pictures: ReportPictures) -> Markup | None:
    """Return how many pictures each bucket has, and how often they are shown in an epoch."""
    if not run.pictures:
        return None
    count: Counter[tuple[int, ...]] = Counter()
    shown: Counter[tuple[int, ...]] = Counter()
    for one in run.pictures.values():
        size = tuple(one["bucket"])
        count[size] += 1
        shown[size] += one["repeats"]
    rows = [
        (f"{size[0]}x{size[1]}", str(number), str(shown[size]))
        for size, number in count.most_common()
    ]
    held_out = run.facts.get("held_out", [])
    return join(
        table(("bucket, px", "pictures", "shown an epoch"), rows),
        element("p", f"Held out: {len(held_out)}", class_="quiet") if held_out else None,
    )


def cut_texts(run: RunFiles, pictures: ReportPictures) -> Markup | None:
    """Return the pictures whose texts are longer than what is read of them."""
    cut = run.facts.get("cut", {})
    if not cut:
        return None
    longest = sorted(cut.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [
        element(
            "li",
            thumbnail(run, pictures, key),
            element("strong", f"{count} tokens "),
            element("span", key, class_="code"),
            element("br"),
            element("span", text_of(run, key), class_="quiet"),
        )
        for key, count in longest[:_SHOWN]
    ]
    more = f"and {len(cut) - _SHOWN} more" if len(cut) > _SHOWN else None
    return join(element("ol", *rows, class_="pictures"), element("p", more) if more else None)


def settings(run: RunFiles, pictures: ReportPictures) -> Markup:
    """Return all settings after defaults."""
    rows = [
        (flag(key) if key not in _FACTS else key, as_yaml(value))
        for key, value in run.config.items()
        if value is not None and value != ""
    ]
    return element(
        "details", element("summary", "All settings, defaults included"), table((), rows)
    )


# What stands in `config.json` and is no option.
_FACTS = (
    "method", "recipe", "version", "program", "family", "base_digest", "data_digest", "samples",
    "steps_per_epoch", "datasets",
)  # fmt: skip
