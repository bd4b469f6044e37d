"""Which pictures are proposed as repeating another, and that nothing comes of it by itself."""

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.cli.app import main
from prep.images.picture_file import opened
from prep.stage import NoParams
from prep.stages.duplicates import Params, duplicates
from prep.stages.measure import measure

SPRITES = Path(__file__).resolve().parents[4] / "shared" / "data" / "renpy-sprites"


def looks(bits: int, size: tuple[int, int] = (100, 100)) -> dict[str, Any]:
    """Return what `measure` says of a picture with that hash and size."""
    return {"size": list(size), "hash": f"{bits:016x}"}


def proposed(samples: dict[str, Any], distance: int = 0) -> dict[str, str | None]:
    """Return the proposals for pictures, each without a lineage unless it is a pair."""
    pairs = {k: v if isinstance(v, tuple) else (v, None) for k, v in samples.items()}
    found: dict[str, str | None] = duplicates.run(pairs, Params(distance=distance))
    return found


def test_the_largest_stays_and_of_equals_the_first() -> None:
    """A copy at half the size repeats the original; of two equal ones, the first key stays."""
    samples = {"a": looks(5, (50, 50)), "b": looks(5), "c": looks(5), "d": looks(6)}

    assert proposed(samples) == {"a": "b", "b": None, "c": "b", "d": None}


def test_the_order_of_the_folder_decides_nothing() -> None:
    """The same pictures in another order get the same proposals."""
    samples = {"a": looks(5, (50, 50)), "b": looks(5), "c": looks(5)}

    assert proposed(dict(reversed(samples.items()))) == proposed(samples)


def test_hashes_may_differ_in_as_many_bits_as_asked() -> None:
    """Up to `distance` bits count as the same; one more does not."""
    samples = {"a": looks(0), "b": looks(0b111), "c": looks(0b1111 << 30)}

    assert proposed(samples, 2) == {"a": None, "b": None, "c": None}
    assert proposed(samples, 3) == {"a": None, "b": "a", "c": None}
    assert proposed({"a": looks(0), "b": looks(0x0101010101010100)}, 7)["b"] == "a"


def test_a_picture_of_another_shape_is_another_picture() -> None:
    """Equal hashes count only where the aspect ratios agree within a fiftieth."""
    assert proposed({"a": looks(5, (100, 100)), "b": looks(5, (100, 97))})["b"] is None
    assert proposed({"a": looks(5, (100, 100)), "b": looks(5, (99, 98))})["b"] == "a"


def test_what_augment_made_is_never_proposed() -> None:
    """Variants of one source picture are meant to be alike; those of two sources are not."""
    one, other = {"key": "a.png", "flip": False}, {"key": "b.png", "flip": False}

    assert proposed({"1": (looks(5), one), "2": (looks(5), one)})["2"] is None
    assert proposed({"1": (looks(5), one), "2": (looks(5), other)})["2"] == "1"


def test_a_real_copy_is_found() -> None:
    """The same picture, smaller and as a JPEG, has the same hash."""
    image = Image.radial_gradient("L").convert("RGB").resize((400, 300)).rotate(30)
    stream = io.BytesIO()
    image.resize((200, 150)).save(stream, "JPEG", quality=85)
    measured = {
        key: measure.run(each, list(each.size), NoParams())
        for key, each in {"a": image, "b": opened(stream).image}.items()
    }

    assert proposed(measured, 2) == {"a": None, "b": "a"}


@pytest.mark.skipif(not SPRITES.is_dir(), reason="the pictures of ../shared are not here")
def test_expressions_are_proposed_and_never_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faces of one sprite look alike to a hash: they are proposed, and all stay in the dataset."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    shutil.copytree(SPRITES, tmp_path / "raw")
    (tmp_path / "pipelines.yaml").write_text(
        "pipelines:\n  p:\n    images: ./raw\n    stages: [{duplicates: {distance: 3}}, edit]\n"
    )
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit) as ended:
        main(["run", "--pipelines", str(tmp_path / "pipelines.yaml")])

    assert not ended.value.code
    assert "  15 pictures: 15 good, 0 left out, 0 failed\n" in said.getvalue()
    assert len(json.loads((tmp_path / "meta.json").read_text())["samples"]) == 15
    sheet = (tmp_path / "raw" / "tags.csv").read_text(encoding="utf-8-sig")
    assert "duplicate of sylvie blue" in sheet
