"""Pictures that are made of pictures: what becomes of them when either is changed."""

import csv
import json
import shutil
from pathlib import Path

from PIL import Image, ImageOps

from tests.prep import changes
from tests.prep.projects import NAMES, Project, drawing
from tinyworld.pictures import CORRUPT

RAW = "snow 1.png"
CUT = f"{RAW}@crop.png"
FLIPPED = f"{CUT}@flip.png"


def meta(project: Project) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((project.folder / "meta_lat.json").read_text())
    return found


def test_a_second_run_does_nothing(fanned: Project) -> None:
    """Through crop and augment as well, a second run calls nothing and writes nothing."""
    before = fanned.results()

    spies = fanned.run()

    assert not spies.samples
    assert not spies.loads
    assert fanned.results() == before


def test_pixels_of_a_source_are_cut_and_computed_again(fanned: Project) -> None:
    """Another picture under a source's name remakes what derives from it, and nothing else."""
    (fanned.folder / "raw" / RAW).write_bytes(drawing(RAW, 77))

    spies = fanned.run()

    assert spies.models() == {"caption": 2, "score": 2, "latents": 2}
    assert spies.samples["crop"] == spies.samples["augment"] == 1


def test_a_deleted_source_takes_its_derived_pictures_along(fanned: Project) -> None:
    """What was made of a deleted picture is removed with its sidecars, and said."""
    (fanned.folder / "raw" / RAW).unlink()

    spies = fanned.run()

    assert spies.maps() == {}
    assert not list(fanned.folder.glob(f"*/{Path(RAW).stem}*"))
    assert set(meta(fanned)["samples"]) == {
        f"{name}@crop.png{flip}"
        for name in NAMES if name != RAW
        for flip in ("", "@flip.png")
    }  # fmt: skip
    assert f"removed {CUT}" in fanned.said
    assert not fanned.run().samples


def test_a_derived_picture_that_was_edited_stays(fanned: Project) -> None:
    """A derived picture that a person painted over is kept, named and used without its source."""
    painted = fanned.folder / "images" / FLIPPED
    with Image.open(painted) as image:
        ImageOps.invert(image).save(painted)
    data = painted.read_bytes()
    (fanned.folder / "raw" / RAW).unlink()

    spies = fanned.run()

    assert painted.read_bytes() == data
    assert spies.models() == {"caption": 1, "score": 1, "latents": 1}
    assert f"kept as you edited it: {FLIPPED}" in fanned.said
    assert FLIPPED in meta(fanned)["samples"]
    assert not (fanned.folder / "images" / CUT).exists()
    assert painted.read_bytes() == data


def test_an_edited_crop_is_what_later_stages_read(fanned: Project) -> None:
    """A crop that a person painted over is kept and used, also when the params of crop change."""
    cut = fanned.folder / "cut" / CUT
    with Image.open(cut) as image:
        ImageOps.invert(image).save(cut)
    data = cut.read_bytes()

    spies = fanned.run()

    assert spies.samples["crop"] == 0
    assert spies.models() == {"caption": 2, "score": 2, "latents": 2}
    assert (fanned.folder / "images" / CUT).read_bytes() == data
    fanned.replace("aspect_ratio: 0.75", "aspect_ratio: 0.8")
    fanned.run()
    assert cut.read_bytes() == data
    assert f"kept as you edited it: {CUT}" in fanned.said
    fanned.run()
    assert cut.read_bytes() == data


def test_a_stricter_crop_drops_exactly_the_small_ones(fanned: Project) -> None:
    """A larger least side leaves the smaller crops out with the reason; the others stay as is."""
    fanned.replace("min_side: 64", "min_side: 300")

    spies = fanned.run()

    small = {name for name in NAMES if name not in sources(fanned)}
    assert 0 < len(small) < len(NAMES)
    assert spies.samples["crop"] == len(NAMES)
    assert {name: n for name, n in spies.maps().items() if name != "crop"} == {}
    for name in small:
        assert "min_side is 300" in str(meta(fanned)["left_out"][name])
    assert "crop: min_side was 64, is now 300" in fanned.said


def sources(project: Project) -> set[str]:
    """Return the sources whose pictures are in the dataset."""
    return {key.split("@")[0] for key in meta(project)["samples"]}


def test_a_removed_derived_picture_is_made_again(fanned: Project) -> None:
    """Row 68: a derived picture that was deleted is made again from its source."""
    before = fanned.results()
    (fanned.folder / "cut" / CUT).unlink()

    spies = fanned.run()

    assert spies.maps() == {"crop": 1}
    assert fanned.results() == before


def test_words_follow_a_renamed_source(fanned: Project) -> None:
    """A renamed source costs no model call, and what a person wrote for its pictures follows."""
    sheet = fanned.folder / "images" / "tags.csv"
    lines = sheet.read_bytes().decode("utf-8-sig").splitlines()
    row = next(n for n, line in enumerate(lines) if line.startswith(FLIPPED))
    header, cells = lines[0].split(","), next(csv.reader([lines[row]]))
    cells[header.index("notes")] = "my note"
    lines[row] = ",".join(f'"{cell}"' for cell in cells)
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    assert changes.typed("review", "import", str(sheet)) == 0
    raw = fanned.folder / "raw"
    (raw / RAW).rename(raw / "zebra.png")

    spies = fanned.run()

    assert spies.models() == {}
    notes = [line for line in sheet.read_text("utf-8-sig").splitlines() if "my note" in line]
    assert [line.split(",")[0] for line in notes] == ["zebra.png@crop.png@flip.png"]
    source = meta(fanned)["samples"]["zebra.png@crop.png@flip.png"]["source"]
    assert source["key"] == "zebra.png@crop.png"
    assert not fanned.run().samples


def test_every_picture_is_accounted_for(fanned: Project) -> None:
    """Promise 5: each source is in the dataset by what was made of it, or named with a reason."""
    raw = fanned.folder / "raw"
    Image.new("RGB", (40, 60), "red").save(raw / "tiny.png")
    (raw / "empty.png").write_bytes(b"")
    (raw / "link.png").symlink_to(raw / RAW)
    (fanned.folder / "images" / f"{Path(FLIPPED).stem}.txt").write_bytes(b"\xff\xfe\xfd")
    fanned.replace("bucket: {", "bucket: {upscale: false, max_crop: 0.9, ")
    fanned.replace("resolution: 128", "resolution: 256")

    fanned.run()

    found = meta(fanned)
    left_out = found["left_out"]
    assert set(left_out) >= {CORRUPT, "tiny.png", "empty.png", "link.png", FLIPPED}
    there = {path.name for path in raw.iterdir()}
    assert {key.split("@")[0] for key in (*found["samples"], *left_out)} == there
    derived = {path.name for path in (fanned.folder / "images").glob("*.png")}
    assert derived == {key for key in (*found["samples"], *left_out) if "@" in key}
    assert all(left_out.values())
    assert fanned.code == 3
    totals = [line.split() for line in fanned.said.splitlines() if " pictures: " in line]
    for total, _, good, _, out, _, _, failed, _ in totals:
        assert int(total) == int(good) + int(out) + int(failed)
    assert [int(words[0]) for words in totals] == [len(there), len(NAMES), len(derived)]
    shutil.rmtree(fanned.folder / "home", ignore_errors=True)
