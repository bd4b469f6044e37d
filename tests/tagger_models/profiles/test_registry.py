import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from prep.images.fitting import FILTERS
from prep.models.locate import Ask
from prep.runtime.errors import ConfigError
from tagger_models.labels.csv_files import NAMES, READERS
from tagger_models.profiles.registry import DEFAULT, PROFILES, ask, ask_labels, profile
from tagger_models.profiles.wd import WD


def test_the_rows_are_the_taggers_we_know() -> None:
    """Each of these can be asked for by its bare name."""
    assert list(PROFILES) == [
        "wd-vit-tagger-v3",
        "wd-swinv2-tagger-v3",
        "wd-convnext-tagger-v3",
        "wd-vit-large-tagger-v3",
        "wd-eva02-large-tagger-v3",
        "wd-v1-4-vit-tagger-v2",
        "wd-v1-4-convnext-tagger-v2",
        "wd-v1-4-convnextv2-tagger-v2",
        "wd-v1-4-swinv2-tagger-v2",
        "wd-v1-4-moat-tagger-v2",
        "z3d-e621-convnext",
        "z3d-e621-convnext-silveroxides",
        "pixai-tagger-v0.9",
        "animetimm-caformer-b36",
        "camie-tagger",
        "camie-tagger-initial",
        "camie-tagger-refined",
        "cl-tagger-1.00",
        "cl-tagger-1.01",
        "cl-tagger-1.02",
        "joytag",
        "ml-danbooru-caformer",
        "ml-danbooru-tresnet",
        "deepdanbooru",
    ]
    assert DEFAULT in PROFILES


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_row_says_where_its_facts_come_from(name: str) -> None:
    """A row names a source for each of its thresholds, invents no revision, and can be read."""
    row = PROFILES[name]
    told = " ".join(row.sources)

    assert row.name == name
    assert row.repo.count("/") == 1
    assert row.revision == "unpinned"
    assert all(f"{value:g}" in told for value in row.thresholds.values())
    assert row.label_format in READERS
    assert "general" in row.thresholds
    assert set(row.thresholds) <= NAMES - {"rating"}
    assert row.fit[-1].kind in ("pad", "square")
    assert all(step.filter in FILTERS for step in row.fit if step.kind != "pad")


def test_a_family_is_known_by_its_owner() -> None:
    """A hub id of a known owner without a row of its own is fed as its family is."""
    other = profile("animetimm/swinv2_base_window8_256.dbv4-full")

    assert other == replace(PROFILES["animetimm-caformer-b36"], name=other.name, repo=other.name)
    assert ask(other.name).needs == ("model.onnx", "selected_tags.csv", "preprocess.json")
    assert profile("SmilingWolf/wd-next") == replace(
        WD, name="SmilingWolf/wd-next", repo="SmilingWolf/wd-next"
    )


def test_a_row_is_found_by_name_and_by_hub_id() -> None:
    """The bare name and the hub id are the same tagger."""
    assert profile("wd-vit-tagger-v3") is profile("SmilingWolf/wd-vit-tagger-v3")
    assert profile("wd-vit-tagger-v3").thresholds == {"general": 0.2614, "character": 0.85}
    assert profile("wd-eva02-large-tagger-v3").thresholds["general"] == 0.5296


def test_what_has_no_row_is_taken_for_a_wd_tagger(tmp_path: Path) -> None:
    """`tiny`, a folder and a stranger's hub id are fed like WD and cut at 0.35 and 0.85."""
    for name in ("tiny", str(tmp_path), "someone/their-tagger"):
        row = profile(name)
        assert (row.name, row.layout, row.order, row.high) == (name, "NHWC", "BGR", 255.0)
        assert row.thresholds == {"general": 0.35, "character": 0.85}


def test_a_misspelt_name_hints_at_the_nearest_row() -> None:
    """A bare word that is no row and no folder is a mistake, with the likely name."""
    for of_it in (profile, ask):
        with pytest.raises(ConfigError) as raised:
            of_it("wd-vit-tager-v3")
        assert str(raised.value) == "no tagger is named `wd-vit-tager-v3`"
        assert raised.value.hint == "did you mean `wd-vit-tagger-v3`?"


def test_what_is_asked_of_the_models_room() -> None:
    """A row is looked for under its hub id, other names as they are, a file by its folder."""
    patterns = ("model.onnx", "selected_tags.csv", "model.onnx_data", "model.onnx.data")
    needs = ("model.onnx", "selected_tags.csv")

    facts = WD.input_facts()

    beside = "a `tagger.yaml` that says `like: wd-vit-tagger-v3`"
    assert ask("wd-vit-tagger-v3") == Ask(
        "tagger", "SmilingWolf/wd-vit-tagger-v3", patterns, None, needs, facts=facts, beside=beside
    )
    assert ask("tiny") == Ask("tagger", "tiny", patterns, None, needs, facts=facts)
    mine = ("mine.onnx", "selected_tags.csv", "mine.onnx_data", "mine.onnx.data")
    assert ask("/models/wd/mine.onnx") == Ask(
        "tagger", "/models/wd", mine, None, mine[:2], facts=facts
    )


def test_what_is_asked_of_a_row_with_more_files() -> None:
    """Preprocessing that the model's own file says is needed with the weights, not with labels."""
    camie = "deepghs/camie_tagger_onnx"
    onnx, tags = "initial/model.onnx", "initial/selected_tags.csv"
    steps, levels = "initial/preprocess.json", "initial/threshold.json"

    whole, labels = ask("camie-tagger-initial"), ask_labels("camie-tagger-initial")

    assert (whole.name, whole.needs) == (camie, (onnx, tags, steps))
    assert whole.patterns == (onnx, tags, steps, f"{onnx}_data", f"{onnx}.data")
    assert (labels.name, labels.needs, labels.patterns) == (camie, (tags,), (tags, levels))


@pytest.mark.parametrize(
    "change",
    [
        {"layout": "NCHW"},
        {"order": "RGB"},
        {"low": -1.0},
        {"high": 1.0},
        {"mean": (0.1, 0.0, 0.0)},
        {"std": (1.0, 1.0, 2.0)},
        {"fit": WD.fit[1:]},
        {"size": 384},
        {"output": -1},
        {"activation": "sigmoid"},
        {"label_format": "csv"},
        {"thresholds": {"general": 0.4}},
    ],
    ids=str,
)
def test_a_corrected_row_is_another_model(change: dict[str, Any]) -> None:
    """A fact of a row that is mended makes stale what it decided: scores or tags, not both."""
    other = replace(WD, **change)

    assert (other.input_facts() != WD.input_facts()) == ("thresholds" not in change)
    assert (other.reading_facts() != WD.reading_facts()) == (
        "thresholds" in change or "label_format" in change
    )


def test_one_model_by_two_names_is_one_model() -> None:
    """A model by its name and by its folder gives the same scores; only thresholds differ."""
    by_name, by_folder = profile("wd-vit-tagger-v3"), profile("/models/wd")

    assert by_name.input_facts() == by_folder.input_facts()
    assert by_name.reading_facts() != by_folder.reading_facts()


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_model_in_a_folder_is_the_model_of_the_hub(name: str, tmp_path: Path) -> None:
    """What is told to be put into a folder makes it the same tagger, by input and thresholds."""
    told = ask(name).beside
    assert told == f"a `tagger.yaml` that says `like: {name}`"
    (tmp_path / "tagger.yaml").write_text(told.split("`")[3] + "\n", encoding="utf-8")

    mine = profile(str(tmp_path))

    assert mine.input_facts() == PROFILES[name].input_facts()
    assert mine.reading_facts() == PROFILES[name].reading_facts()


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("animetimm/other.dbv4-full", "a `tagger.yaml` that says `like: animetimm-caformer-b36`"),
        ("SmilingWolf/newest", ""),
        ("someone/else", ""),
        ("tiny", ""),
    ],
)
def test_a_model_without_a_row_in_a_folder(name: str, like: str) -> None:
    """A family is told by a row of it; what is taken for a WD tagger needs nothing in a folder."""
    assert ask(name).beside == like


def test_where_only_the_labels_are_needed() -> None:
    """Rendering tags asks for the label file alone, of the same model: no weights are fetched."""
    only = ("selected_tags.csv",)

    for name in ("wd-vit-tagger-v3", "tiny", "/models/wd", "/models/wd/mine.onnx"):
        whole = ask(name)
        facts = profile(name).reading_facts()
        assert ask_labels(name) == Ask(
            "tagger", whole.name, only, whole.revision, only, facts=facts, beside=whole.beside
        )


def test_rows_cannot_be_changed() -> None:
    """No caller can change a row under another one."""
    with pytest.raises(FrozenInstanceError):
        WD.low = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        WD.thresholds["general"] = 0.1  # type: ignore[index]


def test_naming_taggers_imports_nothing_heavy() -> None:
    """Every module of this package can be imported without torch, numpy, PIL or onnxruntime."""
    code = (
        "import importlib, pkgutil, sys, tagger_models\n"
        "for found in pkgutil.walk_packages(tagger_models.__path__, 'tagger_models.'):\n"
        "    importlib.import_module(found.name)\n"
        "tagger_models.profiles.registry.ask('tiny')\n"
        "tagger_models.captioners.local.ask_captioner('tiny')\n"
        "heavy = 'torch transformers diffusers onnxruntime onnx pandas numpy PIL huggingface_hub'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
