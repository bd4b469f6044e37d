"""`prep tags`, as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset.dataset_file import Concept, Dataset, Sample, dump

Prep = Callable[..., Any]
Draw = Callable[..., Path]

PRUNE = "`prep edit --prune 0.8` leaves it to the trigger word"
DOG = "mascot, 1girl, blue eyes, smile"
TEXTS = {"a": DOG, "b": DOG, "c": DOG, "d": DOG + ", long hair", "e": "mascot, 1girl, smlie"}


@pytest.fixture
def folder(draw: Draw, home: Path) -> Path:
    """Five pictures with tags that a person wrote, one of them with a long caption as well."""
    for name, text in TEXTS.items():
        draw(f"raw/{name}.png")
        (home / "raw" / f"{name}.txt").write_text(text + "\n")
    (home / "raw" / "a.caption").write_text("cat " * 76 + "\n")
    return home / "raw"


@pytest.fixture
def meta(home: Path) -> Path:
    """A dataset file of the same, made for the stand-in base."""
    samples = {
        f"{name}.png": Sample("0" * 64, (64, 64), tuple(text.split(", ")), concept="toy")
        for name, text in TEXTS.items()
    }
    concepts = {"toy": Concept(trigger="mascot")}
    (home / "meta.json").write_bytes(dump(Dataset("raw", samples, concepts=concepts, base="tiny")))
    return home / "meta.json"


def test_tags_are_counted(prep: Prep, folder: Path) -> None:
    """A table of a folder's tags; nothing is written, no state is made."""
    code, out, err = prep("tags", "raw", "--top", "4")

    assert (code, err) == (0, "2 more; `--top 0` shows all\n")
    assert out.splitlines() == [
        "raw: 5 pictures, 6 tags",
        "      5  100%  1girl",
        "      5  100%  mascot",
        "      4   80%  blue eyes",
        "      4   80%  smile",
    ]
    assert not (folder / ".prep").exists()


def test_a_dataset_file_is_counted_as_it_trains(prep: Prep, meta: Path) -> None:
    """Of a dataset file, the tags after all rules count, also where its pictures are elsewhere."""
    code, out, _ = prep("tags", "meta.json", "--top", "0")

    assert code == 0
    assert out.splitlines()[0] == "meta.json: 5 pictures, 6 tags"
    assert out.splitlines()[-1] == "      1   20%  smlie"


def test_what_occurs_together(prep: Prep, meta: Path) -> None:
    """Pairs with what is more than chance, or what stands beside one tag."""
    _, out, _ = prep("tags", "meta.json", "--pairs", "--with", "smile")
    assert out.splitlines()[1:] == [
        "      4   1.0x  1girl + smile",
        "      4   1.2x  blue eyes + smile",
        "      4   1.0x  mascot + smile",
    ]

    _, out, _ = prep("tags", "meta.json", "--with", "long hair", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows[0] == {"say": "meta.json: 5 pictures, 6 tags", "pictures": 5, "tags": 6}
    assert rows[1]["tag"] == "1girl"
    assert (rows[1]["pictures"], rows[1]["share"]) == (1, 1.0)


def test_a_tag_that_no_picture_has(prep: Prep, meta: Path) -> None:
    """It is an error, with the nearest one that some picture has."""
    code, _, err = prep("tags", "meta.json", "--with", "1gril")

    assert (code, err) == (
        1,
        "error: no picture has the tag `1gril`\nhint: did you mean `1girl`?\n",
    )


def test_the_lint_of_a_folder(prep: Prep, folder: Path) -> None:
    """Typing mistakes, tags that are always together, traits and long texts, and how many."""
    (folder.parent / "known.csv").write_text("smile,0,9,\n1girl,0,9,1girls\nblue_eyes,0,9,\n")

    code, out, err = prep("tags", "raw", "--lint", "--vocabulary", "known.csv")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "raw: 5 pictures, 6 tags",
        "typo: `smlie` in 1 picture, did you mean `smile`?",
        "together: `blue eyes`, `smile` are always together, in 4 pictures",
        f"trait: `blue eyes` is in 4 of 5 pictures: {PRUNE}",
        "everywhere: `mascot` is in 5 of 5 pictures",
        "everywhere: `smile` is in 4 of 5 pictures",
        "long: `a.png (caption)` has 76 tokens, over 75",
        "6 findings",
    ]


def test_the_lint_of_a_dataset_file(prep: Prep, meta: Path) -> None:
    """Its triggers belong everywhere; its base model's tokenizer counts unless one is named."""
    tags = ["1girl", *(f"extraordinary tag {n}" for n in range(20))]
    samples = {"long.png": Sample("0" * 64, (64, 64), tuple(tags), concept="toy")}
    meta.write_bytes(dump(Dataset("raw", samples, base="tiny")))

    def tokens(*words: str) -> int:
        _, out, _ = prep("tags", "meta.json", "--lint", "--json", "--vocabulary", "tiny", *words)
        rows = [json.loads(line) for line in out.splitlines()]
        return sum(row["count"] for row in rows if row.get("kind") == "long")

    assert tokens() == tokens("--base", "tiny") > tokens("--base", "x.safetensors") > 75


def test_without_the_labels_it_says_so(prep: Prep, meta: Path) -> None:
    """The default tagger is not fetched for a lint; one that is named and absent is an error."""
    code, out, err = prep("tags", "meta.json", "--lint")

    assert code == 0
    assert err == (
        "the labels of `wd-vit-tagger-v3` are not on this machine: tags are compared with each "
        "other; name a tagger or a CSV file with `--vocabulary`\n"
    )
    assert "smlie" not in out
    code, _, err = prep("tags", "meta.json", "--lint", "--vocabulary", "wd-vit-tagger-v3")
    assert code == 1
    assert err.startswith("error: the tagger `SmilingWolf/wd-vit-tagger-v3` is not on this machine")


def test_the_vocabulary_is_that_of_the_pipeline(prep: Prep, folder: Path) -> None:
    """Where pipelines.yaml names the folder, its tagger's labels are the known tags."""
    (folder.parent / "pipelines.yaml").write_text(
        "pipelines: {a: {images: raw, stages: [tag: {model: tiny}]}}"
    )

    code, _, err = prep("tags", "raw", "--lint")

    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nothing.json",), "error: there is no `nothing.json`\n"),
        (("nowhere",), "error: the folder `nowhere` is not there\n"),
        (("meta.json", "--lint", "--vocabulary", "x.csv"), "error: there is no file `x.csv`\n"),
        (("meta.json", "--lint", "--vocabulary", "nowhere"), "error: no tagger is named `nowhere`"),
    ],
)
def test_what_is_not_there_is_two_lines(
    prep: Prep, meta: Path, words: tuple[str, ...], told: str
) -> None:
    """A dataset file, vocabulary or tagger that is missing is named with what to do."""
    code, _, err = prep("tags", *words)

    assert code == 1
    assert err.startswith(told)
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("table", [("--pairs",), ("--with", "solo"), ("--pairs", "--with", "solo")])
def test_a_table_and_what_looks_wrong_are_two_commands(
    prep: Prep, meta: Path, table: tuple[str, ...]
) -> None:
    """`--lint` beside an option of a table is refused: neither is passed over without a word."""
    assert prep("tags", "meta.json", "--lint", *table) == (
        2,
        "",
        f"error: `--lint` does not go with `{table[0]}`\nhint: type two commands\n",
    )
