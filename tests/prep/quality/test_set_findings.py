"""What only the whole set tells: pictures that lie, and what nearly all of them are."""

import numpy as np

from prep.quality.aspects import aspects, one_sided
from prep.quality.lying import lying
from prep.stages.balance import balance, remark
from prep.stages.check import Params, check, sentence
from tests.prep.likeness.changed import smiling
from tests.prep.quality.spoilt import drawn, measured, png


def test_a_picture_lies_where_others_show_that_it_stands() -> None:
    """Of three expressions, the one that was turned is told; alone, two do not tell which one."""
    one, two, other = drawn(), smiling(drawn()), drawn(5)
    seen = {"a": one, "b": two, "c": one.rotate(90, expand=True), "d": other}
    measures = {key: measured(png(image)) for key, image in seen.items()}
    found = check.run(measures, Params())

    assert sentence(found["c"]) in {f"fix (turned): it lies: {k} shows the same upright"
                                    for k in "ab"}  # fmt: skip
    assert [found[key] for key in "abd"] == [None, None, None]
    del measures["b"]
    assert check.run(measures, Params())["c"] is None


def test_flat_pictures_lie_nowhere() -> None:
    """What has no layout is compared with nothing."""
    some = np.arange(144).tolist()
    assert lying({"a": [], "b": [], "c": [], "d": some}) == {}


def test_tags_tell_aspects() -> None:
    """The first value that has a tag holds; underscores and capitals do not matter."""
    assert aspects(["Upper_Body", "smile", "from side", "white_background"]) == {
        "framing": "upper body", "angle": "from the side",
        "background": "simple", "expression": "smile",
    }  # fmt: skip
    assert aspects(["hat"]) == {}


def test_a_set_is_one_sided_where_nearly_all_are_alike() -> None:
    """Four fifths of at least eight; what none of them is stands beside it."""
    nine = [{"framing": "upper body"}] * 8 + [{"framing": "portrait"}]

    assert one_sided(nine) == [
        "framing: 8 of 9 are `upper body`; none is `close-up` or `full body`"
    ]
    assert one_sided(nine[2:]) == []  # too few that say anything
    assert one_sided(nine[:-1] + [{"framing": "portrait"}] * 3) == []


def test_each_concept_is_told_by_itself() -> None:
    """The concept of a person's field comes first, else that of the folder; no tags: nothing."""
    rows = {f"10_miku/{n}.png": (["smile"], None, f"10_miku/{n}.png") for n in range(8)}
    rows |= {f"{n}.png": (["sad"], "rin", f"{n}.png") for n in range(8)}
    rows["bare.png"] = (None, None, "bare.png")
    found = balance.run(rows, balance.params())

    assert found["bare.png"] is None
    assert remark(found) == (
        "one-sided: `miku`, expression: 8 of 8 are `smile`; none is `sad` or `angry` or"
        " `surprised`. `rin`, expression: 8 of 8 are `sad`; none is `smile` or `angry` or"
        " `surprised`"
    )
