"""Photographs as cameras and phones make them: read, cut and mirrored within a bound of memory."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prep.engine.decoding import work
from prep.engine.decoding.memory import MOST_BYTES, TREE_BYTES, Memory
from prep.engine.decoding.outcome import DecodedPicture, Failure, Part
from prep.engine.decoding.outline import whole
from prep.engine.decoding.pool import Decoders
from prep.images import bands, picture_file, pixels
from prep.images.pixel_steps import steps_of
from tests.prep import tree_memory
from tests.rows import few_of

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PREP = [sys.executable, "-P", "-m", "prep"]


def photograph(path: Path, size: tuple[int, int], turned: bool = False) -> Path:
    """Draw a smooth picture of some size, as JPEG."""
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    small = Image.effect_noise((60, 40), 90).convert("RGB")
    small.resize(size, Image.Resampling.BILINEAR).save(path, "JPEG", quality=80, exif=exif)
    return path


@linux
@pytest.mark.parametrize("command", few_of(["crop", "augment"]))
def test_the_whole_tree_stays_below_a_gibibyte(command: str, tmp_path: Path) -> None:
    """Case D3: however many 24 megapixel photographs, at most 1 GiB, and 3 GiB of addresses do."""
    (tmp_path / "raw").mkdir()
    first = photograph(tmp_path / "raw" / "0.jpg", (6000, 4000), turned=True)
    for number in range(1, 4):
        shutil.copy(first, first.with_name(f"{number}.jpg"))
        with first.with_name(f"{number}.jpg").open("ab") as file:
            file.write(bytes([number]))  # another file, for the price of a copy
    limited = ["bash", "-c", 'ulimit -v 3145728; exec "$@"', "-"]
    done = tree_memory.run([*limited, *PREP, command, "raw", "out", "-j", "4"], tmp_path)

    assert done.code == 0, done.said
    assert done.bytes < TREE_BYTES
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


@linux
@pytest.mark.long  # the tree of processes is measured with `crop`, too
def test_captions_of_large_photographs(tmp_path: Path) -> None:
    """Case D3: of a 45 megapixel photograph the captioner's process sees what its model needs."""
    (tmp_path / "raw").mkdir()
    first = photograph(tmp_path / "raw" / "0.jpg", (8200, 5500))
    for number in range(1, 5):
        shutil.copy(first, first.with_name(f"{number}.jpg"))
        with first.with_name(f"{number}.jpg").open("ab") as file:
            file.write(bytes([number]))
    done = tree_memory.run([*PREP, "caption", "raw", "--model", "tiny"], tmp_path)

    assert done.code == 0, done.said
    assert done.bytes < TREE_BYTES  # the model and its libraries included
    assert len(list((tmp_path / "raw").glob("*.caption"))) == 5


@linux
@pytest.mark.parametrize("turned", [False, True])
def test_a_photograph_of_108_megapixels(turned: bool, tmp_path: Path) -> None:
    """Case D5: a phone's largest photograph is measured and read, upright or not, within 1 GiB."""
    (tmp_path / "raw").mkdir()
    photograph(tmp_path / "raw" / "0.jpg", (12032, 9024), turned)
    done = tree_memory.run([*PREP, "edit", "raw"], tmp_path)

    assert done.code == 0, done.said
    assert done.bytes < TREE_BYTES
    size = "[9024, 12032]" if turned else "[12032, 9024]"
    assert f'"original_size": {size}' in (tmp_path / "meta.json").read_text()


def test_a_picture_that_takes_more_is_listed(tmp_path: Path) -> None:
    """Case D5: what would not fit into the memory there is, is told in megabytes, unread."""
    image = Image.new("RGB", (11000, 9000))
    image.save(tmp_path / "a.jpg", "JPEG", quality=20, progressive=True, subsampling=0)
    with Decoders(2) as pool:
        [(_, found)] = pool.decoded([(0, tmp_path / "a.jpg")])

    most = MOST_BYTES >> 20
    assert found == Failure(
        "resource-limit", f"it takes 962 MiB of memory to decode, at most {most} are given"
    )


def test_large_pictures_wait_for_each_other(tmp_path: Path) -> None:
    """Case D3: any number of processes gives the same results in order, also of large pictures."""
    paths = [photograph(tmp_path / f"{n}.jpg", (7000, 5000 + n)) for n in range(5)]
    with Decoders(4, fit=(("thumbnail", "", None, 64),)) as pool:
        found = [(key, each) for key, each in pool.decoded(enumerate(paths))]

    assert [key for key, _ in found] == [0, 1, 2, 3, 4]
    assert [each.whole for _, each in found if isinstance(each, DecodedPicture)] == [
        (7000, 5000 + n) for n in range(5)
    ]


def test_parts_are_written_as_they_would_be_here(tmp_path: Path) -> None:
    """Case D3: PNG files that decoders write are byte for byte those of cutting here."""
    path = tmp_path / "a.png"
    drawn = Image.effect_noise((90, 70), 90).convert("RGB")
    path.write_bytes(picture_file.png(drawn))
    box = (10, 5, 61, 66)

    def parts(key: int, picture: DecodedPicture) -> list[Part]:
        return [
            Part(tmp_path / "copy", None),
            Part(tmp_path / "cut", steps_of(box)),
            Part(tmp_path / "mirrored", steps_of(box, flip=True)),
        ]

    with Decoders(1, parts=parts) as pool:
        [(_, found)] = pool.decoded([(0, path)])
    cut = drawn.crop(box)
    mirrored = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    assert isinstance(found, DecodedPicture)
    assert (found.rgb, len(found.files)) == (b"", 3)
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    assert (tmp_path / "cut").read_bytes() == picture_file.png(cut)
    assert (tmp_path / "mirrored").read_bytes() == picture_file.png(mirrored)


def test_a_disk_that_takes_only_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 64: a write that says it took all and took nothing is found out by the decoder."""
    (tmp_path / "a.png").write_bytes(picture_file.png(Image.new("RGB", (9, 9))))
    monkeypatch.setattr(work._Digested, "write", lambda self, data: self._count(data))
    part = {"to": str(tmp_path / "b.png"), "steps": None}
    with (
        work.shown(str(tmp_path / "a.png")) as (picture, source),
        pytest.raises(OSError, match="only a part"),
    ):
        work.write_part(picture, source, part)


@linux
def test_a_full_disk_is_two_lines(tmp_path: Path) -> None:
    """Case D3: where a decoder cannot write, the run ends in two lines, and nothing is left."""
    (tmp_path / "raw").mkdir()
    Image.effect_noise((900, 900), 90).save(tmp_path / "raw" / "a.png")
    limited = ["bash", "-c", 'ulimit -f 400; exec "$@"', "-"]
    done = tree_memory.run([*limited, *PREP, "crop", "raw", "out"], tmp_path)

    assert done.code == 1
    assert done.said == (
        "error: `out` cannot be written: File too large\n"
        "hint: check the disk, then run the same command again\n"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".prep"]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    rows=st.integers(1, 9),
)
def test_bands_change_no_pixel(mode: str, size: tuple[int, int], rows: int) -> None:
    """Case D5: a picture flattened a few rows at a time is that flattened whole."""
    image = Image.effect_noise(size, 90).convert(mode)
    if mode == "P":
        image.info["transparency"] = 7
    with pytest.MonkeyPatch.context() as small:
        small.setattr(bands, "_BAND_PIXELS", rows * size[0])
        found = bands.flattened(image.copy(), [])

    assert found.tobytes() == pixels.flattened(image.copy(), []).tobytes()


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.9), st.floats(0, 0.9), st.booleans()), max_size=4))
def test_an_outline_is_cut_as_an_image_is(steps: list[tuple[float, float, bool]]) -> None:
    """Case D3: whatever a fan-out cuts and mirrors, the part of the picture is the same."""
    image = drawn = Image.effect_noise((33, 21), 90).convert("RGB")
    outline = whole(image.size)
    for across, down, flip in steps:
        left, top = int(across * image.width), int(down * image.height)
        box = (left, top, max(left + 1, image.width - 1), max(top + 1, image.height - 2))
        image, outline = image.crop(box), outline.crop(box)
        if flip:
            method = Image.Transpose.FLIP_LEFT_RIGHT
            image, outline = image.transpose(method), outline.transpose(method)

    part = drawn.crop(outline.box)
    part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if outline.flip else part
    assert part.tobytes() == image.tobytes()


@linux
@pytest.mark.parametrize(
    ("suffix", "more"),
    [("jpg", {}), ("jpg", {"progressive": True, "subsampling": 0}), ("webp", {"method": 0}),
     ("avif", {"speed": 10}), ("png", {"compress_level": 1}), ("tif", {"compression": "tiff_lzw"})],
)  # fmt: skip
def test_what_a_picture_takes_is_known_before(
    suffix: str, more: dict[str, object], tmp_path: Path
) -> None:
    """Case D3: no format takes more than is counted for it, flattened and turned."""
    path = tmp_path / f"a.{suffix}"
    small = Image.effect_noise((60, 40), 90).convert("RGB").resize((3000, 2000))
    small.save(path, **more)
    program = """
import io, resource, sys
from pathlib import Path
from prep.engine.decoding import work
from prep.images import picture_file
def taken(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
wanted, _ = work.cost(sys.argv[1])
before = taken()
picture_file.opened(Path(sys.argv[1])).image.copy()
print(wanted, taken() - before)
"""
    command = [sys.executable, "-c", program, str(path)]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()

    assert int(said[1]) <= int(said[0])


def test_an_idle_process_that_ends_is_no_leave() -> None:
    """Case D3: a large picture waits for the one before it, also where a process made some room."""
    memory, idle, granted = Memory(100), [True], threading.Event()

    def end_idle() -> bool:
        return bool(idle and idle.pop())

    memory.charge("idle", 5)
    memory.take(0, 80, end_idle)
    assert idle
    waiting = threading.Thread(target=lambda: (memory.take(1, 80, end_idle), granted.set()))
    waiting.start()
    assert not granted.wait(0.2)
    assert not idle

    memory.give_back(0)
    assert granted.wait(2)
    waiting.join()
