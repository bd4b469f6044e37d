"""Each row's contract with its model, and that each fact of a row decides the scores."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep.images.fitting import FILTERS, PAD, SQUARE, WITHIN, Resize
from prep.models.locate import Ask, FoundModel
from prep.runtime.errors import ModelFileError
from tagger_models.labels.csv_files import READERS
from tagger_models.onnx.tagger import OnnxTagger, open_tagger
from tagger_models.profiles.own_files import default_thresholds
from tagger_models.profiles.profile import Profile
from tagger_models.profiles.registry import PROFILES
from tests.tagger_models.families import FAMILIES, Family, scores_of

FEW = 400  # labels are probes: so many see every part of a picture
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.row)
# One of each way to be fed: the others differ in names and numbers of labels alone.
KINDS = {family.recipe: family for family in FAMILIES}
each_kind = pytest.mark.parametrize("family", KINDS.values(), ids=lambda family: family.row)


def noise(width: int, height: int) -> Image.Image:
    """Return a picture whose every part is another one."""
    random = np.random.default_rng(width)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


WIDE, TALL = noise(700, 393), noise(97, 300)  # one is shrunk, one enlarged


def saved(family: Family, folder: Path, labels: int | None = None) -> Path:
    """Write the model that stands for a family."""
    family.save(folder, PROFILES[family.row].files, labels)
    return folder


def opened(folder: Path, row: Profile) -> OnnxTagger:
    """Return the tagger over all files of the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = FoundModel(Ask("tagger", str(folder)), folder, tuple((f, 0, 0) for f in files))
    return open_tagger(found,
                       row, "cpu")  # fmt: skip


def test_every_row_has_a_contract() -> None:
    """No row is added without a graph of its shape."""
    assert [family.row for family in FAMILIES] == sorted(
        PROFILES, key=[family.row for family in FAMILIES].index
    )
    assert {family.row for family in FAMILIES} == set(PROFILES)


@each_family
def test_a_family_is_fed_as_its_authors_do(family: Family, tmp_path: Path) -> None:
    """On a graph of its shape, the row leads to what the family's own recipe leads to."""
    tagger = opened(saved(family, tmp_path), PROFILES[family.row])

    scores = scores_of(tagger, [WIDE, TALL])

    assert scores.shape == (2, family.labels)
    assert tagger.shape.size == (512 if 512 in family.shape else 448)
    assert tagger.batch == (1 if family.shape[0] == 1 else None)
    for found, image in zip(scores, (WIDE, TALL), strict=True):
        assert np.abs(found - family.expected(image, family.labels)).max() < 1e-6
    assert {label.category for label in tagger.labels} <= {"rating", "general", "character"}


def changed_facts(row: Profile) -> Iterator[dict[str, Any]]:
    """Yield each fact of a row's input, changed."""
    yield {"layout": "NCHW" if row.layout == "NHWC" else "NHWC"}
    yield {"order": "BGR" if row.order == "RGB" else "RGB"}
    yield {"low": row.low - 1}
    yield {"high": row.high * 2}
    for place in range(3):
        yield {"mean": tuple(v + 0.01 * (n == place) for n, v in enumerate(row.mean))}
        yield {"std": tuple(v * (1 + 0.01 * (n == place)) for n, v in enumerate(row.std))}
    yield {"activation": "none" if row.activation == "sigmoid" else "sigmoid"}
    for place, step in enumerate(row.fit):
        for other in changed_steps(step):
            yield {"fit": (*row.fit[:place], other, *row.fit[place + 1 :])}
        if len(row.fit) > 1:
            yield {"fit": row.fit[:place] + row.fit[place + 1 :]}
    if len(row.fit) == 2:
        yield {"fit": row.fit[::-1]}


def changed_steps(step: Resize) -> Iterator[Resize]:
    """Yield a step in which one thing is another one."""
    if step.kind == PAD:
        yield from (
            step._replace(colour=colour)
            for colour in ((255, 255, 255), (0, 0, 0), (255, 255, 254), None)
            if colour != step.colour
        )
        return
    yield from (step._replace(filter=name) for name in FILTERS if name != step.filter)
    yield step._replace(kind=WITHIN if step.kind == SQUARE else SQUARE)
    yield step._replace(size=(step.size or 448) + 16)


@each_kind
def test_each_fact_of_a_row_matters(family: Family, tmp_path: Path) -> None:
    """A row with any one fact changed is refused, or gives other scores: a wrong row shows."""
    folder = saved(family, tmp_path, FEW)
    row = replace(PROFILES[family.row], input_file="")  # the row's own facts, not the file's
    expected = family.expected(WIDE, FEW)
    assert np.abs(scores_of(opened(folder, row), [WIDE])[0] - expected).max() < 1e-6

    for change in changed_facts(row):
        with suppress(ModelFileError):
            found = scores_of(opened(folder, replace(row, **change)), [WIDE])[0]
            assert np.abs(found - expected).max() > 1e-5, change


@each_kind
def test_which_output_is_read_matters(family: Family, tmp_path: Path) -> None:
    """Of several outputs the row's is read: any other is refused, or gives other scores."""
    folder = saved(family, tmp_path, FEW)
    row = PROFILES[family.row]
    expected = family.expected(TALL, FEW)
    meant = opened(folder, row).shape.output

    for name in [name for name in family.outputs if name != meant]:
        with suppress(ModelFileError):
            found = scores_of(opened(folder, replace(row, output=name)), [TALL])[0]
            assert np.abs(found - expected).max() > 1e-3, name


@each_kind
def test_the_format_of_labels_matters(family: Family, tmp_path: Path) -> None:
    """A label file read as another format is refused, or has other labels."""
    folder = saved(family, tmp_path, FEW)
    row = PROFILES[family.row]
    labels = opened(folder, row).labels
    same = {"wd-csv", "csv", "e621-csv"}  # one shape: codes 0, 4 and 9 mean the same in all

    for other in READERS.keys() - (same if row.label_format in same else {row.label_format}):
        with suppress(ModelFileError):
            assert opened(folder, replace(row, label_format=other)).labels != labels, other


@pytest.mark.parametrize("family", [f for f in KINDS.values() if f.files], ids=lambda f: f.row)
def test_the_models_own_steps_come_first(family: Family, tmp_path: Path) -> None:
    """What `preprocess.json` says replaces the row's stand-ins; without the file it is told."""
    folder = saved(family, tmp_path, FEW)
    row = PROFILES[family.row]
    other = replace(row, fit=(Resize(SQUARE, "NEAREST"),), mean=(0.3,) * 3, std=(2.0,) * 3)

    found = scores_of(opened(folder, other), [WIDE])[0]

    assert np.abs(found - family.expected(WIDE, FEW)).max() < 1e-6
    (folder / row.input_file).unlink()
    with pytest.raises(ModelFileError) as told:
        opened(folder, row)
    assert str(told.value) == f"`{folder}` is not complete: it lacks {row.input_file}"


def test_the_rows_size_where_the_graph_has_none(tmp_path: Path) -> None:
    """A graph that takes pictures of any size is fed the row's size."""
    for name, size in (("wd-vit-tagger-v3", 448), ("camie-tagger", 512)):
        family = next(family for family in FAMILIES if family.row == name)
        free = tuple(side if side in ("b", 3) else f"d{n}" for n, side in enumerate(family.shape))
        loose = replace(family, shape=free, labels=3)
        folder = tmp_path / name
        shutil.rmtree(folder, ignore_errors=True)
        loose.save(folder, PROFILES[name].files, 3)

        assert opened(folder, PROFILES[name]).shape.size == size


def test_thresholds_of_the_models_own_file(tmp_path: Path) -> None:
    """A model's file of thresholds replaces the row's, for the categories that the row keeps."""
    wanted = {
        "pixai-tagger-v0.9": {"general": 0.31, "character": 0.77},
        "animetimm-caformer-b36": {"general": 0.31, "character": 0.77},
        "camie-tagger-initial": {"general": 0.2, "character": 0.3, "copyright": 0.3},
        "joytag": {"general": 0.4},
    }
    for name, levels in wanted.items():
        family = next(family for family in FAMILIES if family.row == name)
        folder = saved(family, tmp_path / name, 8)
        found = FoundModel(
            Ask("tagger", name),
            folder,
            tuple((path, 0, 0) for path in sorted(folder.rglob("*")) if path.is_file()),
        )

        assert default_thresholds(found, PROFILES[name]) == levels
        if PROFILES[name].threshold_file:
            (folder / PROFILES[name].threshold_file).write_text("<html>", encoding="utf-8")
            with pytest.raises(ModelFileError, match=r"is damaged: it holds no thresholds"):
                default_thresholds(found, PROFILES[name])
            without = replace(found, files=found.files[:1])
            assert default_thresholds(without, PROFILES[name]) == PROFILES[name].thresholds


def test_thresholds_and_series_of_labels(tmp_path: Path) -> None:
    """A table's `best_threshold` and `ips` reach the labels."""
    family = next(family for family in FAMILIES if family.row == "animetimm-caformer-b36")
    tagger = opened(saved(family, tmp_path, 8), PROFILES[family.row])

    assert {label.threshold for label in tagger.labels} == {0.25}
    assert {label.series for label in tagger.labels} == {("a_work",)}
