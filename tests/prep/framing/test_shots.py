"""Shots of persons: who is there, what each crop shows, and which words go with it."""

from typing import Any

import pytest

from prep.framing import framing_words, people, shots
from prep.framing.shots import COWBOY, FULL_BODY, PORTRAIT, UPPER_BODY
from prep.runtime.errors import ConfigError

SIZE = (400, 1000)
WHOLE = (0, 0, *SIZE)


def found(kind: str, *box: int) -> dict[str, Any]:
    """Return one thing that a detector found."""
    return {"box": list(box), "kind": kind, "score": 0.9, "detector": "tiny"}


FACE = found("face", 160, 60, 260, 160)  # its head: 145,30 to 275,150


@pytest.mark.parametrize(
    ("body", "framing", "names"),
    [
        ((60, 20, 340, 900), FULL_BODY, ["figure", "upper", "face"]),
        ((60, 20, 340, 1000), FULL_BODY, ["figure", "upper", "face"]),  # seven heads tall
        ((60, 20, 340, 420), FULL_BODY, ["figure", "upper", "face"]),  # a doll that ends there
    ],
)
def test_a_whole_figure_gives_three_shots(
    body: tuple[int, ...], framing: str, names: list[str]
) -> None:
    """The figure, the upper body, the face: each smaller than the one before, the head in each."""
    (person,) = people.people([FACE, found("person", *body)], SIZE, WHOLE)

    made = list(shots.stages(person, SIZE, 2.0))

    assert [shot.name for shot in made] == names
    assert [shot.framing for shot in made] == [framing, UPPER_BODY, PORTRAIT]
    areas = [(s.box[2] - s.box[0]) * (s.box[3] - s.box[1]) for s in made]
    assert areas == sorted(areas, reverse=True)
    for shot in made:
        left, top, right, bottom = shot.box
        assert left <= 160
        assert top <= 60
        assert right >= 260
        assert bottom >= 160


@pytest.mark.parametrize(
    ("height", "framing", "names"),
    [
        (480, COWBOY, ["figure", "upper", "face"]),
        (300, UPPER_BODY, ["upper", "face"]),
        (200, PORTRAIT, ["face"]),
    ],
)
def test_a_figure_that_is_cut_off_is_called_what_is_seen(
    height: int, framing: str, names: list[str]
) -> None:
    """Thighs, chest, or the face alone: no shot is made twice."""
    size = (400, height)
    (person,) = people.people([FACE, found("person", 60, 20, 340, height)], size, (0, 0, *size))

    assert shots.framing_of(person) == framing
    assert [shot.name for shot in shots.stages(person, size, 2.0)] == names


def test_a_single_figure_on_plain_ground_is_all_that_is_not_plain() -> None:
    """Without a detector of persons, what trimming leaves is the figure."""
    (person,) = people.people([FACE], SIZE, (50, 10, 350, 940))

    assert (person.figure, person.ends) == ((50, 10, 350, 940), True)
    assert shots.framing_of(person) == FULL_BODY


def test_a_face_and_its_head_are_one_person() -> None:
    """A head without a face, seen from behind, is one of its own; the largest stands first."""
    head, behind = found("head", 140, 20, 280, 170), found("head", 320, 20, 380, 90)

    both = people.people([head, FACE, behind], SIZE, WHOLE)

    assert [person.head for person in both] == [(140, 20, 280, 170), (320, 20, 380, 90)]
    assert both[0].face == (160, 60, 260, 160)
    assert people.must_stay([head, FACE, behind], SIZE) == [
        (160, 60, 260, 160), (320, 20, 380, 90)
    ]  # fmt: skip


def test_a_face_crop_is_moved_into_the_picture() -> None:
    """At the edge it keeps its size; where the picture is too small, it is all there is."""
    (person,) = people.people([found("face", 0, 0, 100, 100)], SIZE, WHOLE)

    assert shots.face_shot(person, SIZE, 1.0, 2.0).box == (0, 0, 200, 200)
    assert shots.face_shot(person, SIZE, 1.0, 9.0).box == (0, 0, 400, 400)
    assert shots.face_shot(person, SIZE, 1.0, 1.2).framing == "close-up"


def words(framing: str, text: str = "") -> dict[str, Any]:
    """Return what a crop's lineage says of its words."""
    add, drop = framing_words.table(text, "framing.yaml")[framing]
    return {"add": add, "drop": drop}


def test_tags_follow_what_a_crop_shows() -> None:
    """What lies out of it goes, another framing's word too; spelling stays as it was."""
    own = ["1girl", "full body", "long hair", "thigh boots", "navel", "holding sword"]

    assert framing_words.reframed(own, words(FULL_BODY)) == (tuple(own), [])
    assert framing_words.reframed(own, words(UPPER_BODY)) == (
        ("1girl", "long hair", "navel", "holding sword", "upper body"), ["full body", "thigh boots"]
    )  # fmt: skip
    assert framing_words.reframed(own, words(PORTRAIT))[0] == ("1girl", "long hair", "portrait")
    under = ["long_hair", "full_body", "black_footwear"]
    assert framing_words.reframed(under, words(UPPER_BODY)) == (
        ("long_hair", "upper_body"), ["full_body", "black_footwear"]
    )  # fmt: skip


def test_a_person_s_table_replaces_what_it_names() -> None:
    """Other framings keep what is usual; mistakes are told with their line."""
    text = "portrait: {add: [face focus], drop: ['long *']}\n"

    assert framing_words.reframed(["long hair", "navel"], words(PORTRAIT, text)) == (
        ("navel", "face focus"), ["long hair"]
    )  # fmt: skip
    assert words(COWBOY, text) == words(COWBOY)
    for wrong, told, hint in (
        ("portait: {add: [x]}", "no framing is named `portait`", "did you mean `portrait`?"),
        ("portrait: {ad: [x]}", "`portrait` has `ad`", "did you mean `add`?"),
    ):
        with pytest.raises(ConfigError) as error:
            framing_words.table(wrong, "framing.yaml")
        assert str(error.value) == f"`framing.yaml` line 1: {told}"
        assert error.value.hint == hint
