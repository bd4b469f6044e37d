"""Damage that decoders pass over in silence is told; sound pictures of any kind are not."""

import io
import random
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from prep.images import jpeg_segments
from prep.images.picture_file import opened
from prep.images.unreadable import Unreadable
from tests.prep.picture_files import bmp, jpeg_with_frame, png, tiff

FORMS = {
    "JPEG": {"quality": 85}, "JPEG progressive": {"quality": 85, "progressive": True},
    "JPEG optimised": {"quality": 60, "optimize": True},
    "JPEG restarting": {"quality": 85, "restart_marker_rows": 1},
    "PNG": {}, "GIF": {}, "WEBP": {"quality": 85},
    "WEBP lossless": {"lossless": True, "method": 1}, "AVIF": {"quality": 80, "speed": 10},
    "TIFF lzw": {"compression": "tiff_lzw"}, "TIFF deflate": {"compression": "tiff_adobe_deflate"},
    "TIFF packbits": {"compression": "packbits"}, "TIFF jpeg": {"compression": "jpeg"},
}  # fmt: skip
MISSING = ("truncated", "the JPEG is damaged: the data for part of it is missing")


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form.split()[0], **options)  # type: ignore[arg-type]
    return stream.getvalue()


def painted(width: int = 640, height: int = 480) -> Image.Image:
    """Return something like a photo: shapes, a gradient, grain."""
    chance = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    planes = np.stack([x * 200 / width, y * 200 / height, (x + y) * 100 / (width + height)], -1)
    image = Image.fromarray((planes + chance.normal(25, 7, planes.shape).clip(0, 50)).astype("u1"))
    draw = ImageDraw.Draw(image)
    for n in range(12):
        left, top = int(chance.integers(0, width)), int(chance.integers(0, height))
        draw.ellipse((left, top, left + 90, top + 60), fill=(n * 20, 200 - n * 9, 99))
    return image


def verdict(data: bytes) -> tuple[str, str] | None:
    """Return kind and reason of a refusal, or None."""
    try:
        opened(io.BytesIO(data))
    except Unreadable as error:
        return error.kind, error.why
    return None


def with_hole(data: bytes, at: int, length: int) -> bytes:
    return data[:at] + bytes(length) + data[at + length :]


def cut_and_ended(data: bytes, form: str, length: int) -> bytes:
    """Return the beginning of a file, made to look whole."""
    cut = data[:length]
    if form == "JPEG":
        return cut + b"\xff\xd9"
    if form == "PNG":
        return cut + data[-12:]
    if form == "GIF":
        return cut + b"\0;"
    if form == "WEBP":
        cut += bytes(len(cut) % 2)
        sizes = [(len(cut) - n).to_bytes(4, "little") for n in (8, 20)]
        return cut[:4] + sizes[0] + cut[8:16] + sizes[1] + cut[20:]
    return cut + bytes(len(data) - len(cut))  # the rest of the file was reserved, never written


@pytest.mark.parametrize("form", FORMS)
def test_holes_and_cuts_are_told(form: str) -> None:
    """Case G7: of 20 holes of zeros and 20 cuts made to look whole, none trains unnoticed."""
    chance = random.Random(form)
    data = saved(painted(), form, **FORMS[form])
    pixels = opened(io.BytesIO(data)).image.tobytes()
    missed = []
    for _ in range(20):
        length = min(int(2 ** chance.uniform(9, 16)), len(data) // 2)
        hole = with_hole(data, chance.randrange(len(data) - length), length)
        cut = cut_and_ended(data, form.split()[0], int(len(data) * chance.uniform(0.1, 0.9)))
        for damaged in (hole, cut):
            if verdict(damaged) is None:
                found = opened(io.BytesIO(damaged)).image
                missed += [damaged] if found.tobytes() != pixels else []

    # A hole in lossless WebP may leave a decoder in step, and prove nothing.
    assert len(missed) <= (6 if form == "WEBP lossless" else 0)


def test_what_is_said_of_damage() -> None:
    """Case G7: the reason names the damage and its place; the same for the same bytes."""
    jpeg, webp = saved(painted(), "JPEG"), saved(painted(), "WEBP")
    avif, picture = saved(painted(), "AVIF"), saved(painted(), "PNG")
    half = len(jpeg) // 2

    assert verdict(jpeg[:half] + b"\xff\xd9") == MISSING
    assert verdict(with_hole(jpeg, half, 4096)) == (
        "truncated",
        f"the JPEG is damaged: a run of zero bytes at byte {half} of the file",
    )
    at = len(webp) // 2
    assert verdict(with_hole(webp, at, 4096)) == (
        "decode-error",
        f"the WEBP is damaged: a run of zero bytes at byte {at} of the file",
    )
    at = len(avif) // 2
    assert verdict(with_hole(avif, at, 1024)) == (
        "decode-error",
        f"the AVIF is damaged: a run of zero bytes at byte {at} of the file",
    )
    assert verdict(with_hole(picture, len(picture) - 40, 8)) == (
        "decode-error",
        "the PNG is damaged: its checksums do not match",
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"restart_marker_blocks": 7},
        {"restart_marker_blocks": 1},
        {"progressive": True, "restart_marker_blocks": 5},
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_scan_of_a_jpeg_has_to_be_whole(mode: str, options: dict[str, object]) -> None:
    """Case G7: a JPEG cut within any scan, 20 bytes before its end or earlier, is refused."""
    data = saved(painted(200, 150).convert(mode), "JPEG", **options)
    for scan in jpeg_segments.scans(data):
        for length in range(scan.begin, scan.end - 20, max(1, (scan.end - scan.begin) // 25)):
            assert verdict(data[:length] + b"\xff\xd9") == MISSING, length
    assert verdict(data) is None


def test_a_jpeg_that_lacks_its_middle() -> None:
    """Case G7: a file put together of two ends, and one whose scan another marker ends."""
    data = saved(painted(), "JPEG")
    third = len(data) // 3
    assert verdict(data[:third] + data[2 * third :]) == MISSING
    assert verdict(data[:third] + b"\xff\xff\xfe\0\2" + data[third:]) is not None


FLAT = [
    (mode, side, form, options)
    for mode, side in (("RGB", 1500), ("L", 1000))
    for form, options in (
        ("JPEG", {}), ("JPEG", {"optimize": True}), ("JPEG", {"progressive": True}),
        ("JPEG", {"optimize": True, "restart_marker_rows": 1}), ("PNG", {"compress_level": 0}),
        ("PNG", {}), ("WEBP", {"quality": 100, "method": 1}), ("WEBP", {"quality": 80}),
        ("WEBP", {"lossless": True, "quality": 0, "method": 0}), ("GIF", {}), ("BMP", {}),
        ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}), ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"compression": "jpeg"}), ("TIFF", {"compression": "zstd"}),
    )
]  # fmt: skip


@pytest.mark.parametrize(("mode", "side", "form", "options"), FLAT)
def test_plain_pictures_are_sound(
    mode: str, side: int, form: str, options: dict[str, object]
) -> None:
    """Case G7: black, white and half-plain pictures, whose data hold runs of zeros, are sound."""
    half = Image.new(mode, (side, side))
    half.paste(painted(side, side // 4).convert(mode), (0, side // 2))
    for image in (Image.new(mode, (side, side)), half):
        data = saved(image, form, **options)
        assert verdict(data) is None


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}])
def test_the_largest_plain_jpegs_are_sound(options: dict[str, object]) -> None:
    """Case G7: 8000x8000 px of black are 250,000 zero bytes in a row, and sound."""
    data = saved(Image.new("L", (8000, 8000)), "JPEG", **options)

    assert verdict(data) is None
    if options:
        assert bytes(100_000) in data
    if "optimize" in options:
        holed = with_hole(data, len(data) - 150, 60)
        assert verdict(holed) is None  # zeros in place of zeros


def test_a_hole_in_a_plain_jpeg() -> None:
    """Case G7: where zeros are probable, a hole is told by the data that is left over."""
    image = Image.new("RGB", (2000, 2000), (9, 99, 199))
    image.paste(painted(), (300, 200))
    for options in ({"optimize": True}, {"progressive": True}, {"optimize": True, "quality": 20}):
        data = saved(image, "JPEG", **options)
        chance = random.Random(1)
        for _ in range(12):
            at = chance.randrange(700, len(data) - 2000)
            holed = with_hole(data, at, 1500)
            if verdict(holed) is None:  # bare bits of progressive scans can be any: a level's worth
                found, sound = (np.asarray(opened(io.BytesIO(d)).image, int) for d in (holed, data))
                assert np.abs(found - sound).max() <= 8


def test_zeros_that_are_no_damage() -> None:
    """Case G7: padding before a JPEG's end, zeros in metadata and behind the picture are sound."""
    image = painted(200, 150)
    for options in ({}, {"progressive": True}):
        data = saved(image, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0" + bytes(5000), **options)
        want = opened(io.BytesIO(data)).image.tobytes()
        for sound in (
            data[:-2] + bytes(4096) + data[-2:],
            data + bytes(9000),
            data[:-2] + b"\0\xff\xd9",
        ):
            assert opened(io.BytesIO(sound)).image.tobytes() == want
    assert verdict(saved(image, "WEBP", exif=b"Exif\0\0II*\0" + bytes(5000))) is None
    assert verdict(saved(image, "AVIF", xmp=b"<x/>" + bytes(5000))) is None
    assert verdict(saved(image, "PNG") + bytes(9000)) is None


def test_checksums_of_a_png() -> None:
    """Case G7: changed pixels are damage; a wrong checksum over the right pixels is none."""
    data = png([[1, 2, 3]] * 40, 8, 0, level=0)
    at = data.index(b"IDAT") + 4
    length = int.from_bytes(data[at - 8 : at - 4], "big")
    wrong = data[: at + length] + b"abcd" + data[at + length + 4 :]
    changed = data[: at + 9] + b"\x77" + data[at + 10 :]

    assert verdict(wrong) is None
    assert (verdict(changed) or ("",))[0] == "decode-error"


def test_a_deflated_strip_is_proved_by_its_checksum() -> None:
    """Case G7: zeros in a TIFF's deflated strip are sound where the checksum holds."""
    rows = bytes(2_000_000)
    strip = zlib.compress(rows, 9)
    assert bytes(300) in strip
    size, coded = (2000, 1000), [(259, 3, [8])]

    assert verdict(tiff(size, [8], 1, [strip], coded)) is None
    broken = zlib.compress(np.random.default_rng(1).bytes(1_990_000) + bytes(10_000), 1)
    holed = with_hole(broken, len(broken) - 9000, 8000)
    assert verdict(tiff(size, [8], 1, [holed], coded)) is not None


def test_sound_files_that_are_not_read() -> None:
    """Case G8: what we cannot read is told as not supported, with what it is, never as damaged."""
    jpeg = saved(painted(32, 32), "JPEG")
    floats = [np.zeros(12, "<f4").tobytes()]
    cases = {
        jpeg_with_frame(jpeg, 0xC1, bits=12): "JPEG with 12 bits a channel",
        jpeg_with_frame(jpeg, 0xC3): "lossless JPEG",
        jpeg_with_frame(jpeg, 0xF7): "JPEG-LS",
        jpeg_with_frame(jpeg, 0xC5): "hierarchical JPEG",
        jpeg_with_frame(jpeg, 0xC0, layers=2): "JPEG with 2 channels",
        tiff((4, 1), [32] * 3, 2, floats, [(339, 3, [3] * 3)]): "TIFF with 32-bit float RGB",
        tiff((4, 1), [16], 1, [bytes(8)], [(339, 3, [3])]): "TIFF with 16-bit float grey",
        tiff((4, 1), [16] * 3, 8, [bytes(24)]): "TIFF with 16-bit Lab",
        tiff((4, 1), [8] * 3, 9, [bytes(12)]): "TIFF with 8-bit Lab",
        tiff((4, 1), [8] * 5, 5, [bytes(20)], [(338, 3, [2])]): "TIFF with 8-bit CMYK and alpha",
        tiff((4, 1), [16, 16], 1, [bytes(16)], [(338, 3, [2])]): "TIFF with 16-bit grey and alpha",
        tiff((4, 1), [8], 1, [bytes(4)], [(339, 3, [2])]): "TIFF with 8-bit signed grey",
        tiff((4, 1), [8], 1, [bytes(40)], [(259, 3, [34712])]): "TIFF with JPEG 2000 inside",
        tiff((4, 1), [8], 1, [bytes(40)], [(259, 3, [34887])]): "TIFF with LERC inside",
        tiff((4, 1), [16] * 3, 2, [bytes(8)] * 3, [(284, 3, [2])]): (
            "TIFF in planes with 16-bit colour"
        ),
        tiff((4, 1), [16], 32803, [bytes(8)]): "TIFF with 16-bit camera raw",
        bmp([[1, 2]], 32, (), 40, 4): "BMP with a JPEG inside",
        bmp([[1, 2]], 32, (), 40, 5): "BMP with a PNG inside",
        bmp([[1, 2]], 32, (), 64, 4): "BMP of OS/2 with Huffman or RLE24 coding",
        bmp([[1, 2]], 32, (), 40, 0)[:28] + b"\x40\0" + bytes(90): "BMP with 64 bits a pixel",
        apple(): "PNG in Apple's own form (CgBI)",
    }
    for data, form in cases.items():
        wanted = ("not-supported", f"{form} is not supported: save it as PNG or JPEG")
        assert verdict(data) == wanted


def apple() -> bytes:
    """Return a PNG as Xcode writes it: raw deflate behind a chunk of its own."""
    from tests.prep.picture_files import png_chunks

    head = b"\0\0\0\4\0\0\0\1\x08\6\0\0\0"
    coder = zlib.compressobj(wbits=-15)
    raw = coder.compress(b"\0" + bytes(16)) + coder.flush()
    return png_chunks((b"CgBI", b"\x50\0\x20\x02"), (b"IHDR", head), (b"IDAT", raw), (b"IEND", b""))
