"""pipelines.yaml: what it says, and all its mistakes at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file
from prep.pipeline import training
from prep.pipeline.config import read_pipelines
from prep.pipeline.named_files import file_text, resolve
from prep.pipeline.pipeline import Pipeline, choose
from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import ConfigError
from prep.stages import all_stages

GOOD = """\
pipelines:
  main:
    images: ./raw
    meta: ./out/data.json
    state: ../state
    sidecars: caption
    stages:
      - crop: {to: ./cut, aspect_ratio: 1}
      - tag: {model: ./tagger, threshold: 35e-2, rating: yes}
      - duplicates
      - edit: {rules: my.rules, trigger: 2000}
    train: {method: lora, base: ./base, steps: 3, out: ../runs}
"""

BAD = """\
pipelines:
  one:
    imagse: ./raw
    sidecars: words
    state: 3
    stages:
      - tagg
      - tag: {threshold: 2, modle: tiny, rating: maybe}
      - crop: {aspect_ratio: wide}
      - bucket: {resolution: 512.5}
      - edit: {trigger: no, rules: nope.rules, text: taggs}
      - [tag]
      - latents: {dtype: float17}
    train: {}
  two:
  three: {images: ./raw, stages: tag}
"""


def read(folder: Path, text: str) -> dict[str, Pipeline]:
    file = folder / "pipelines.yaml"
    file.write_text(text, encoding="utf-8")
    return read_pipelines(file, all_commands(all_stages().values()))


def told(folder: Path, text: str) -> list[tuple[str, str | None]]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return [(str(caught.value), caught.value.hint), *caught.value.others]


def test_a_pipeline_is_read_with_its_paths(home: Path) -> None:
    """Paths are relative to the file; numbers, words and switches have the types of the params."""
    for name in ("tagger", "base"):
        (home / name).mkdir()
    (home / "my.rules").write_text("- drop: x\n", encoding="utf-8")
    main = read(home, GOOD)["main"]
    crop, tag, duplicates, edit = main.steps

    assert (main.name, main.images, main.meta) == ("main", home / "raw", home / "out" / "data.json")
    assert (main.state, main.sidecars) == (home.parent / "state", {".txt": "caption"})
    assert main.folders() == [home / "raw", home / "cut"]
    assert (crop.to, crop.values) == (home / "cut", {"aspect_ratio": 1.0})
    assert tag.values == {"model": str(home / "tagger"), "threshold": 0.35, "rating": True}
    assert (duplicates.command.name, duplicates.values) == ("duplicates", {})
    assert edit.values == {"rules": "- drop: x\n", "trigger": "2000"}
    assert main.train == {
        "method": "lora",
        "base": str(home / "base"),
        "steps": 3,
        "out": f"{home}/../runs",
    }


def test_defaults_of_a_pipeline(home: Path) -> None:
    """The folder is all that has to be named: meta.json beside the file, tags in x.txt."""
    pipeline = read(home, "pipelines: {a: {images: raw}}")["a"]

    assert pipeline == Pipeline("a", home / "raw", home / "meta.json")
    assert pipeline.sidecars == {".txt": "tags", ".caption": "caption"}


def test_all_mistakes_at_once_in_file_order(home: Path) -> None:
    """Row 47: every mistake is told with its line and the nearest name, from top to bottom."""
    expected = [
        (2, "pipeline `one` names no folder", "add `images: ./images`"),
        (3, "pipeline `one` has no key `imagse`", "did you mean `images`?"),
        (4, "`sidecars` is `words`", "write tags or caption"),
        (5, "`state` is `3`", 'put it in quotes: "3"'),
        (7, "no stage is named `tagg`", "did you mean `tag`?"),
        (8, "`rating` is `maybe`", "write true or false"),
        (8, "`tag` has no param `modle`", "did you mean `model`?"),
        (8, "`threshold` is 2.0", "write 1 or less"),
        (9, "`aspect_ratio` is `wide`", "write a number"),
        (9, "`crop` writes pictures and names no folder", "add `to: ./images`"),
        (10, "`resolution` is `512.5`", "write a whole number"),
        (11, "`text` is `taggs`", "did you mean `tags`?"),
        (11, "`trigger` is `no`", 'put it in quotes: "no"'),
        (11, "there is no file `nope.rules`", "write it, or leave the param out"),
        (12, "a stage has one name", "write `- tag: {threshold: 0.4}`"),
        (13, "`dtype` is `float17`", "did you mean `bfloat16`?"),
        (14, "`train` names no method", "add `method: lora`"),
        (15, "pipeline `two` is empty", "give it `images:`"),
        (16, "`stages` is not a list", "write `- tag: {}`"),
    ]
    found = told(home, BAD)

    assert sorted(found) == sorted(
        (f"`pipelines.yaml` line {line}: {what}", hint) for line, what, hint in expected
    )
    lines = [int(message.split(" line ")[1].partition(":")[0]) for message, _ in found]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("pipelines: {a: [", "`pipelines.yaml` line 1 is not YAML: ", "check the indentation"),
        ("", "`pipelines.yaml` line 1: it names no pipelines", "begin with `pipelines:`"),
        ("pipelines: 3", "`pipelines.yaml` line 1: it names no pipelines", "begin with"),
        ("- a\n", "`pipelines.yaml` line 1: this file is keys with values", "see the README"),
        (
            "pipelines:\n  a: {images: x, images: y}\n",
            "`pipelines.yaml` line 2: `images` appears twice, first in line 2",
            "keep one of the two",
        ),
        (
            "pipelines: {a: &b {images: x}}",
            "`pipelines.yaml` line 1: anchors and aliases (`&`, `*`) are not read",
            "quote the text, or repeat it",
        ),
        (
            "pipelines: !!python/object/apply:os.system [ls]",
            "`pipelines.yaml` line 1: the tag `tag:yaml.org,2002:python/object/apply:os.system`",
            "remove it, or quote it",
        ),
        ("a: " + "[" * 30, "`pipelines.yaml` line 1: nested more than 20 deep", "use fewer levels"),
        (
            "pipelines:\n  a:\n    images: x\n    stages: [{tag: {threshold: .nan}}]\n",
            "`pipelines.yaml` line 4: `.nan` is not a finite number",
            "write a number, or quote it",
        ),
    ],
)
def test_a_hostile_file_is_two_lines(home: Path, text: str, message: str, hint: str) -> None:
    """Rows 41 to 46: torn, doubled, aliased, tagged, deep or not a number: told with its line."""
    ((said, advice),) = told(home, text)

    assert said.startswith(message)
    assert advice is not None
    assert advice.startswith(hint)


def test_bytes_that_are_no_text(home: Path) -> None:
    """Row 26: a file in another encoding is told, never guessed."""
    (home / "pipelines.yaml").write_bytes("\u7b11".encode("cp932"))
    with pytest.raises(ConfigError) as caught:
        read_pipelines(home / "pipelines.yaml", {})

    assert str(caught.value) == "`pipelines.yaml` cannot be read: it is not UTF-8 at byte 0"
    assert caught.value.hint == "save it as UTF-8"


def test_a_pipeline_is_chosen_by_name(home: Path) -> None:
    """The only pipeline needs no name; of several one is named, a wrong name has its nearest."""
    several = read(home, "pipelines: {day: {images: x}, night: {images: y}}")
    alone = {"day": several["day"]}

    assert choose(alone, None) is several["day"]
    assert choose(several, "night") is several["night"]
    with pytest.raises(ConfigError) as unnamed:
        choose(several, None)
    with pytest.raises(ConfigError) as misspelt:
        choose(several, "nigth")
    assert (str(unnamed.value), unnamed.value.hint) == (
        "the file has several pipelines",
        "name one: day, night",
    )
    assert (str(misspelt.value), misspelt.value.hint) == (
        "no pipeline is named `nigth`",
        "did you mean `night`?",
    )


def test_a_value_is_a_path_only_where_it_is_one(home: Path) -> None:
    """A model's name stays a name; what lies beside the file becomes an absolute path."""
    (home / "model.onnx").write_bytes(b"")
    (home / "tiny").mkdir()

    assert resolve("model.onnx", home) == (home / "model.onnx").as_posix()
    assert resolve("owner/name", home) == "owner/name"
    assert resolve("tiny", home) == "tiny"
    assert resolve("", home) == ""


def test_a_file_param_is_its_text(home: Path) -> None:
    """Rules are read where the params are built; none is the empty text."""
    (home / "a.rules").write_bytes(b"\xef\xbb\xbf- drop: x\n")

    assert file_text("a.rules", home) == "- drop: x\n"
    assert file_text("", home) == ""


@pytest.mark.parametrize("preset", ["sd15-character", "sd15-style", "tiny"])
def test_every_preset_is_a_pipeline(
    prep: Callable[..., Any], draw: Callable[..., Path], home: Path, preset: str
) -> None:
    """`prep init` writes a file that parses, names the folder, and whose stages all exist."""
    draw("my pictures/a.png")
    code, out, err = prep("init", "my pictures", "--for", preset)
    (pipeline,) = read_pipelines(
        home / "pipelines.yaml", all_commands(all_stages().values())
    ).values()

    assert (code, err) == (0, "")
    assert out == "wrote `pipelines.yaml`; look at it, then type `prep plan` and `prep run`\n"
    assert pipeline.images == home / "my pictures"
    assert pipeline.train is not None
    assert [step.command.name for step in pipeline.steps][-2:] == ["bucket", "latents"]


def test_the_tiny_preset_plans(prep: Callable[..., Any], draw: Callable[..., Path]) -> None:
    """The preset of the embedded models can be planned at once, offline."""
    draw("raw/a.png")
    prep("init", "raw", "--for", "tiny")
    code, out, err = prep("plan")

    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "raw:"
    told, typed = out.splitlines()[-2:]
    assert told == "train         lora: waits for latents"
    assert typed.startswith("  train lora meta_lat.json --base tiny ")


@pytest.mark.parametrize(
    ("params", "what", "hint"),
    [
        ("tag: {threshold: yes}", "`threshold` is `yes`", "write a number"),
        ("tag: {rating: 1}", "`rating` is `1`", "write true or false"),
        ("tag: {most: True}", "`most` is `True`", "write a whole number"),
        ("tag: {model: off}", "`model` is `off`", 'put it in quotes: "off"'),
        ("tag: {threshold: }", "`threshold` has no value", "write one, or leave it out"),
        ("tag: {model: ~}", "`model` has no value", "write one, or leave it out"),
        ("tag: {threshold: [0.4]}", "`threshold` has several values", "write one"),
        ("tag: {threshold: {a: 1}}", "`threshold` has several values", "write one"),
    ],
)
def test_a_value_is_told_as_it_was_typed(home: Path, params: str, what: str, hint: str) -> None:
    """What is wrong is said with the person's own letters, never as Python would print it."""
    text = f"pipelines: {{a: {{images: x, stages: [{params}]}}}}\n"

    assert told(home, text) == [(f"`pipelines.yaml` line 1: {what}", hint)]


ALSO = """\
pipelines:
  girl:
    images: ./girl
    meta: ./girl.json
    also: [class]
    stages: [edit: {trigger: zzk}]
    train: {method: lora, base: tiny}
  class:
    images: ./class
    meta: ./class.json
    stages:
      - edit:
          concepts: {"": {regularisation: true, class_prompt: a girl}}
"""


def test_pictures_of_other_pipelines_train_along(
    prep: Callable[..., Any], draw: Callable[..., Path], home: Path
) -> None:
    """The others run first, and the training is given their dataset files; it is the only whole."""
    draw("girl/a.png")
    draw("class/b.png")
    found = read(home, ALSO)
    plan, why = prep("plan"), prep("why", "b.png")
    (home / "pipelines.yaml").write_text(
        ALSO.replace("    train: {method: lora, base: tiny}\n", "")
    )
    said = prep("run")

    assert choose(found, None) is found["girl"]
    assert found["girl"].also == (found["class"],)
    assert training.command(found["girl"])[:3] == [
        "lora", str(home / "girl_lat.json"), str(home / "class_lat.json")
    ]  # fmt: skip
    assert plan.out.index("class:") < plan.out.index("girl:")
    assert "train lora girl_lat.json class_lat.json --base tiny --out runs" in plan.out
    assert (why.code, said.code) == (0, 0)
    concept = dataset_file.load(home / "class.json").concepts[""]
    assert (concept.class_prompt, concept.regularisation) == ("a girl", True)
    assert dataset_file.load(home / "girl.json").concepts[""].trigger == "zzk"


@pytest.mark.parametrize(
    ("also", "message", "hint"),
    [
        ("[clas]", "no other pipeline is named `clas`", "did you mean `class`?"),
        ("[girl]", "no other pipeline is named `girl`", "known: class"),
        ("class", "`also` is not a list", "write `[name]`"),
    ],
)
def test_a_pipeline_that_is_not_there_cannot_train_along(
    home: Path, also: str, message: str, hint: str
) -> None:
    """A wrong name is told with the nearest, its own is no other's, and one alone is no list."""
    ((said, advice),) = told(home, ALSO.replace("[class]", also))

    assert said == f"`pipelines.yaml` line 5: {message}"
    assert advice == hint
