import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from prep.errors import ConfigError
from prep.models import Ask
from tagger_models.labels import READERS
from tagger_models.registry import DEFAULT, PROFILES, WD, ask, ask_labels, profile


def test_the_rows_are_the_ten_taggers() -> None:
    """Each tagger of the WD family since v2 can be asked for by its bare name."""
    assert sorted(PROFILES) == [
        "wd-convnext-tagger-v3",
        "wd-eva02-large-tagger-v3",
        "wd-swinv2-tagger-v3",
        "wd-v1-4-convnext-tagger-v2",
        "wd-v1-4-convnextv2-tagger-v2",
        "wd-v1-4-moat-tagger-v2",
        "wd-v1-4-swinv2-tagger-v2",
        "wd-v1-4-vit-tagger-v2",
        "wd-vit-large-tagger-v3",
        "wd-vit-tagger-v3",
    ]
    assert DEFAULT in PROFILES


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_row_says_where_its_facts_come_from(name: str) -> None:
    """A row names its source for its threshold, invents no revision and can be read by us."""
    row = PROFILES[name]

    assert row.repo == f"SmilingWolf/{name}"
    assert row.revision == "unpinned"
    assert any(str(row.thresholds["general"]) in source for source in row.sources)
    assert row.label_format in READERS
    assert sorted(row.thresholds) == ["character", "general"]


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

    assert ask("wd-vit-tagger-v3") == Ask(
        "tagger", "SmilingWolf/wd-vit-tagger-v3", patterns, None, needs
    )
    assert ask("tiny") == Ask("tagger", "tiny", patterns, None, needs)
    mine = ("mine.onnx", "selected_tags.csv", "mine.onnx_data", "mine.onnx.data")
    assert ask("/models/wd/mine.onnx") == Ask("tagger", "/models/wd", mine, None, mine[:2])


def test_where_only_the_labels_are_needed() -> None:
    """Rendering tags asks for the label file alone, of the same model: no weights are fetched."""
    only = ("selected_tags.csv",)

    for name in ("wd-vit-tagger-v3", "tiny", "/models/wd", "/models/wd/mine.onnx"):
        whole = ask(name)
        assert ask_labels(name) == Ask("tagger", whole.name, only, whole.revision, only)


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
        "for found in pkgutil.iter_modules(tagger_models.__path__, 'tagger_models.'):\n"
        "    importlib.import_module(found.name)\n"
        "tagger_models.registry.ask('tiny'), tagger_models.blip.ask_captioner('tiny')\n"
        "heavy = 'torch transformers diffusers onnxruntime onnx pandas numpy PIL huggingface_hub'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
