"""Sizes, aspect ratios and buckets, and what batches leave empty."""

import math
from collections import Counter

from prep.pages.markup import Markup, coded, element, join
from prep.pages.page_table import table
from prep.pages.point_plot import bars, points
from prep.report.bucket_waste import filled, wastes
from prep.report.gathered import Gathered

_FINE = 8  # bars for each doubling of the ratio
_WORTH = 0.2  # of all places empty: a batch size to think about


def sizes(found: Gathered) -> Markup | None:
    """Return the sizes of the pictures and their aspect ratios, drawn; None where none is known."""
    known = [one.size for one in found.pictures]
    if not known:
        return None
    ratios = Counter(round(math.log2(width / height) * _FINE) for width, height in known)
    span = range(min(ratios), max(ratios) + 1)
    named = [(f"{2 ** (step / _FINE):.2f}", ratios[step]) for step in span]
    least, most = min(min(size) for size in known), max(max(size) for size in known)
    told = f"widths and heights of {len(known)} pictures, {least} to {most} px"
    return element(
        "div",
        element(
            "div", element("h3", "Sizes"),
            points([(w, h) for w, h in known], "width, px", "height, px, over the width", told),
        ),
        element(
            "div", element("h3", "Aspect ratios"),
            bars(named, "pictures by width over height", f"{len(ratios)} different ratios"),
        ),
        class_="plots",
    )  # fmt: skip


def buckets(found: Gathered) -> Markup | None:
    """Return how full each bucket is, and what each batch size wastes; None where there is none."""
    there = [(one.bucket, one.repeats) for one in found.kept if one.bucket]
    if not there:
        return None
    fill = filled(there)
    lost = dict.fromkeys(fill, 0.0)
    for one in found.kept:
        if one.bucket and one.frame:
            left, top, right, bottom = one.frame
            lost[one.bucket] += 1 - (right - left) * (bottom - top)
    rows = [
        ("{}x{}".format(*bucket), str(count), str(shown), f"{lost[bucket] / count:.0%}")
        for bucket, (count, shown) in fill.items()
    ]
    each = wastes({bucket: shown for bucket, (_, shown) in fill.items()})
    empty = [
        (str(one.batch), str(one.batches), str(one.short),
         element("span", f"{one.empty:.0%}", class_="warn" if one.empty > _WORTH else None))
        for one in each
    ]  # fmt: skip
    note = "These are the buckets of `prep bucket`."
    if not found.bucketed:
        note = "`prep bucket` has not run yet: these are the buckets that it would make."
    return join(
        element("p", coded(note), class_="quiet"),
        element(
            "div",
            element("div", element("h3", "How full they are"), table(
                ("bucket, px", "pictures", "shown an epoch", "cut away, mean"), rows
            )),
            element("div", element("h3", "What a batch size wastes"), table(
                ("batch", "batches an epoch", "of these not full", "places empty"), empty
            )),
            class_="plots",
        ),
    )  # fmt: skip
