"""What a folder's name and a person's table say of concepts, and what a dataset says then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file
from prep.dataset.concept_table import ConceptWish, wishes
from prep.dataset.concepts import FolderConcept, concept_of
from prep.dataset.dataset_file import Concept
from prep.runtime.errors import ConfigError

Prep = Callable[..., Any]
Draw = Callable[..., Path]
TABLE = """\
sks girl: {trigger: sks, repeats: 20}
reg/girl:
  class_prompt: a girl
  weight: 0.5
beach: {regularisation: true, repeats: 3}
"""


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("a.png", FolderConcept()),
        ("cat/a.png", FolderConcept(name="cat")),
        ("20_sks girl/in/a.png", FolderConcept(20, "sks girl", "sks girl")),
        ("reg/1_girl/a.png", FolderConcept(1, "reg/girl", "girl", regularisation=True)),
        ("reg/girl/a.png", FolderConcept(name="reg")),
        ("reg/2024_x/a.png", FolderConcept(name="reg")),
        ("reg/12_/a.png", FolderConcept(name="reg")),
        ("reg/a.png", FolderConcept(name="reg")),
        ("2024_x/a.png", FolderConcept(name="2024_x")),
        ("12_/a.png", FolderConcept(name="12_")),
        ("in/reg/1_girl/a.png", FolderConcept(name="in")),
    ],
)
def test_a_folder_says_how_often_of_what_and_whether_of_the_class(
    key: str, wanted: FolderConcept
) -> None:
    """`10_name` is seen ten times as often; `reg/1_name` is kohya's folder of class pictures."""
    assert concept_of(key) == wanted


def of_folders(draw: Draw, *names: str) -> None:
    """Draw a picture into each folder of `raw`."""
    for name in names:
        draw(f"raw/{name}/a.png")


def words() -> dict[str, tuple[str, float]]:
    """Return what each picture trains on, and its weight."""
    found = dataset_file.load(Path("meta.json"))
    return {
        key: (one.training_text(found.trigger(one)), one.weight)
        for key, one in found.samples.items()
    }


def test_the_folder_s_words_train_where_no_others_are(draw: Draw, prep: Prep) -> None:
    """Class pictures in `reg` are regularisation; they never get the subject's trigger."""
    of_folders(draw, "20_sks girl", "reg/1_girl", "plain")
    draw("raw/20_sks girl/b.png")
    (Path("raw") / "20_sks girl" / "b.txt").write_text("hat")
    (Path("raw") / "plain" / "a.txt").write_text("a field")
    said = prep("edit", "raw")

    assert said.code == 0
    assert words() == {
        "20_sks girl/a.png": ("sks girl", 1.0), "20_sks girl/b.png": ("hat", 1.0),
        "plain/a.png": ("a field", 1.0), "reg/1_girl/a.png": ("girl", 1.0),
    }  # fmt: skip
    assert dataset_file.load(Path("meta.json")).concepts == {
        "": Concept(), "plain": Concept(), "sks girl": Concept(20),
        "reg/girl": Concept(1, "", "girl", regularisation=True),
    }  # fmt: skip
    assert (
        "  2 of 4 pictures train on their folder's words alone: 20_sks girl/a.png (`sks girl`), "
        "reg/1_girl/a.png (`girl`)\n"
    ) in said.out
    assert (
        "  repeats are taken from the names of folders: `20_sks girl` 20, `reg/1_girl` 1\n"
    ) in said.out

    assert prep("edit", "raw", "--trigger", "zzk").code == 0
    assert {key: text for key, (text, _) in words().items()} == {
        "20_sks girl/a.png": "zzk", "20_sks girl/b.png": "zzk, hat",
        "plain/a.png": "zzk, a field", "reg/1_girl/a.png": "girl",
    }  # fmt: skip
    assert prep("edit", "raw", "--text", "caption").code == 3  # `plain` has tags alone
    assert words()["reg/1_girl/a.png"] == ("girl", 1.0)


def test_an_empty_text_of_a_person_stays_empty(draw: Draw, prep: Prep) -> None:
    """To write an empty `.txt` is an answer: the folder's words do not take its place."""
    of_folders(draw, "5_cat", "5_dog")
    (Path("raw") / "5_cat" / "a.txt").write_text("")
    prep("edit", "raw")

    assert {key: text for key, (text, _) in words().items()} == {
        "5_cat/a.png": "", "5_dog/a.png": "dog",
    }  # fmt: skip


def test_a_table_says_more_than_folders_and_options(draw: Draw, prep: Prep) -> None:
    """Trigger, class prompt, repeats, weight and regularisation of each concept."""
    of_folders(draw, "20_sks girl", "reg/1_girl", "beach", "other")
    for name, text in (("beach", "sand"), ("other", "zzk, hat")):
        (Path("raw") / name / "a.txt").write_text(text)
    Path("concepts.yaml").write_text(TABLE)
    said = prep("edit", "raw", "--trigger", "zzk", "--concepts", "concepts.yaml", "--repeats", 2)

    assert said.code == 0, said.err
    assert dataset_file.load(Path("meta.json")).concepts == {
        "": Concept(2, "zzk"), "other": Concept(2, "zzk"), "sks girl": Concept(20, "sks"),
        "beach": Concept(3, regularisation=True),
        "reg/girl": Concept(1, "", "a girl", regularisation=True),
    }  # fmt: skip
    assert words() == {
        "20_sks girl/a.png": ("sks", 1.0), "beach/a.png": ("sand", 1.0),
        "other/a.png": ("zzk, hat", 1.0), "reg/1_girl/a.png": ("a girl", 0.5),
    }  # fmt: skip


def test_the_concept_of_class_pictures_needs_no_folder_before_it(draw: Draw, prep: Prep) -> None:
    """`girl` means those of `reg/1_girl`, unless another folder is of that name."""
    of_folders(draw, "10_sks girl", "reg/1_girl")
    Path("concepts.yaml").write_text("girl: {class_prompt: a girl}")
    assert prep("edit", "raw", "--concepts", "concepts.yaml").code == 0
    assert words()["reg/1_girl/a.png"] == ("a girl", 1.0)

    of_folders(draw, "5_girl")
    assert prep("edit", "raw", "--concepts", "concepts.yaml").code == 0
    assert words()["reg/1_girl/a.png"] == ("girl", 1.0)
    assert words()["5_girl/a.png"] == ("a girl", 1.0)


def test_a_table_may_stand_in_pipelines_yaml(draw: Draw, prep: Prep) -> None:
    """Below `edit`, word for word as it would stand in its own file; the same bytes come of it."""
    of_folders(draw, "20_sks girl", "reg/1_girl", "beach")
    Path("concepts.yaml").write_text(TABLE)
    inner = "".join(f"            {line}\n" for line in TABLE.splitlines())
    for where in (" ./concepts.yaml\n", f"\n{inner}"):
        Path("pipelines.yaml").write_text(
            "pipelines:\n  one:\n    images: ./raw\n    meta: ./meta.json\n    stages:\n"
            f"      - edit:\n          text: tags\n          concepts:{where}"
        )
        said = prep("run")
        assert said.code in (0, 3), said.err
        found = dataset_file.load(Path("meta.json"))
        assert found.concepts["reg/girl"].class_prompt == "a girl"
        assert found.samples["reg/1_girl/a.png"].weight == 0.5


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("x: {repeats: 2000}", "`concepts.yaml` line 1: `repeats` of `x` is `2000`",
         "write a whole number, 1000 or less"),
        ("a: {}\nx: {trigr: y}", "`concepts.yaml` line 2: `x` has an unknown field `trigr`",
         "did you mean `trigger`?"),
        ("x: {prior_loss_weight: 1}",
         "`concepts.yaml` line 1: `x` has an unknown field `prior_loss_weight`",
         "`weight` is what a concept's pictures weigh"),
        ("x: cat", '`concepts.yaml` line 1: `x` is `"cat"`', "write fields with values: {...}"),
        ("x: {trigger: no}", "`concepts.yaml` line 1: `trigger` of `x` is `false`", "write text"),
    ],
)  # fmt: skip
def test_mistakes_of_a_table_are_two_lines(
    draw: Draw, prep: Prep, text: str, error: str, hint: str
) -> None:
    """They are told before anything is done, with their lines."""
    draw("raw/a.png")
    Path("concepts.yaml").write_text(text)
    said = prep("edit", "raw", "--concepts", "concepts.yaml")

    assert said.code == 1
    assert said.err.splitlines() == [f"error: {error}", f"hint: {hint}"]
    assert not Path("meta.json").exists()


def test_a_concept_that_no_picture_has_is_named(draw: Draw, prep: Prep) -> None:
    """A typing mistake in the table does not pass for a table that says nothing."""
    of_folders(draw, "20_sks girl")
    Path("concepts.yaml").write_text("sks gril: {trigger: sks}")
    said = prep("edit", "raw", "--concepts", "concepts.yaml")

    assert said.code == 1
    assert said.err.splitlines() == [
        "error: `concepts` speaks of `sks gril`, and no picture is of that concept",
        "hint: did you mean `sks girl`?",
    ]


def test_what_a_table_leaves_out_is_none() -> None:
    """A concept without anything behind it, and an empty table."""
    assert wishes("x:\n") == {"x": ConceptWish()}
    assert wishes(" \n") == {}
    with pytest.raises(ConfigError):
        wishes("- x\n")
