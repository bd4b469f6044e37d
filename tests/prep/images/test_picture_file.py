import hashlib
import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from prep.images import picture_file
from prep.images.picture_file import opened
from prep.images.unreadable import Unreadable

WIDTH, HEIGHT = 12, 8
FORMATS = {
    "JPEG": {}, "JPEG progressive": {"progressive": True}, "PNG": {}, "BMP": {}, "GIF": {},
    "WEBP": {}, "WEBP lossless": {"lossless": True}, "TIFF": {}, "AVIF": {},
    "TIFF lzw": {"compression": "tiff_lzw"}, "TIFF jpeg": {"compression": "jpeg"},
}  # fmt: skip


def drawn(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return colours in which every turn and swap shows."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 // (width - 1), y * 255 // (height - 1), (x * y * 7) % 256]
    return Image.fromarray(np.stack(planes, -1).astype("uint8"))


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:  # noqa: A002
    stream = io.BytesIO()
    image.save(stream, format, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def decode(data: bytes, name: str = "") -> picture_file.Decoded:
    return opened(io.BytesIO(data), name)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).image)


def refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(Unreadable) as told:
        decode(data)
    return told.value.kind, told.value.why


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def raw_png(rows: np.ndarray, depth: int, colour: int, *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of any depth, written without Pillow; `rows` has shape (height, bytes)."""
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    width = rows.shape[1] // {0: 1, 2: 3}[colour] // (depth // 8)
    return png_chunks(
        header(width, rows.shape[0], depth, colour), *extra, (b"IDAT", zlib.compress(data)),
        (b"IEND", b""),
    )  # fmt: skip


# What cannot be read


def test_an_empty_file() -> None:
    """Row 1: a file of zero bytes is told as empty."""
    assert refused(b"") == ("empty-file", "the file is empty")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_anywhere(kind: str) -> None:
    """Row 2: a file cut at any place is refused, or gives every pixel of the whole one."""
    name = kind.split()[0]
    data = saved(drawn(60, 40), name, **FORMATS[kind])
    whole = decode(data).image.tobytes()
    kinds = set()
    for length in range(1, len(data), max(1, len(data) // 150)):
        try:
            assert decode(data[:length]).image.tobytes() == whole, length
        except Unreadable as error:
            kinds.add(error.kind)

    assert kinds <= {"truncated", "not-an-image", "decode-error"}
    if name not in ("TIFF", "AVIF"):
        assert kinds == {"truncated", "not-an-image"}
        half = len(data) // 2
        assert refused(data[:half]) == (
            "truncated",
            f"the {name} ends too early, after {half} bytes",
        )


@pytest.mark.parametrize("kind", FORMATS)
def test_flipped_bits_raise_nothing_else(kind: str) -> None:
    """Row 10: whatever a damaged file makes Pillow raise, it is told as Unreadable."""
    chance = random.Random(kind)
    data = saved(drawn(30, 20), kind.split()[0], **FORMATS[kind])
    kinds = set()
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            reach = min(len(damaged), chance.choice([40, 200, 10**6]))
            damaged[chance.randrange(reach)] ^= 1 << chance.randrange(8)
        try:
            assert decode(bytes(damaged)).image.mode == "RGB"
        except Unreadable as error:
            kinds.add(error.kind if error.why else "no reason")

    assert kinds <= {
        "truncated", "not-an-image", "decode-error", "too-many-pixels", "format-not-allowed",
        "not-supported",
        "resource-limit",
    }  # fmt: skip


def test_the_class_of_an_odd_error_is_told() -> None:
    """Row 10: an error that is not an OSError is named by its class."""
    avif = saved(drawn(), "AVIF")
    strange = np.full((2, 2), np.nan, "float32")

    start = avif.index(b"mdat") + 4
    kind, why = refused(avif[:start] + bytes(len(avif) - start))
    assert kind == "decode-error"
    assert why.startswith("the AVIF is damaged: RuntimeError: Failed to decode")
    assert refused(saved(Image.fromarray(strange), "TIFF")) == (
        "decode-error",
        "ValueError: it holds values that are not finite numbers",
    )


def test_a_wrong_suffix_is_told_and_no_obstacle(tmp_path: Path) -> None:
    """Row 3: a PNG named .jpg is decoded by its content, with one warning."""
    (tmp_path / "a.JPG").write_bytes(saved(drawn()))
    found = opened(tmp_path / "a.JPG")

    assert found.image.tobytes() == drawn().tobytes()
    assert (found.format, found.warnings) == ("PNG", ("is named as JPEG and holds PNG",))
    assert decode(saved(drawn()), "a.png").warnings == ()


def test_what_is_no_picture() -> None:
    """Row 4: an error page named .jpg is refused with its first bytes in hexadecimal."""
    assert refused(b"<!DOCTYPE html><html>404") == (
        "not-an-image",
        "not a picture, begins with `3c 21 44 4f 43 54 59 50 45 20 68 74 6d 6c 3e 3c`",
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
        (b"8BPS\0\1" + bytes(40), "PSD"),
        (b"%PDF-1.7\n", "PDF"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"DDS |\0\0\0" + bytes(120), "DDS"),
        (b"\0\0\1\0\1\0" + bytes(40), "ICO"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_formats_that_are_not_opened(data: bytes, name: str) -> None:
    """Row 5: a format outside the list is refused by name, whatever the file is called."""
    assert refused(data) == (
        "format-not-allowed",
        f"{name} is not opened: save it as PNG or JPEG",
    )


@pytest.mark.parametrize(
    ("size", "said"),
    [((14_001, 8_000), "14001x8000 px"), ((60_000, 60_000), "3600000000 px")],
)
def test_a_bomb_by_size(size: tuple[int, int], said: str) -> None:
    """Row 6: more than 112 megapixels are refused from the header, before any pixel is decoded."""
    bomb = png_chunks(header(*size), (b"IDAT", b""), (b"IEND", b""))

    assert refused(bomb) == ("too-many-pixels", f"{said}, at most 112 megapixels are decoded")


def test_a_picture_of_the_largest_size() -> None:
    """Row 6: exactly 112 megapixels are decoded, without Pillow's own warning."""
    assert decode(saved(Image.new("1", (14_000, 8_000)))).image.size == (14_000, 8_000)


def test_bombs_by_text_and_by_file(tmp_path: Path) -> None:
    """Row 7: text that unpacks to far more than it takes, and a file of gigabytes, are refused."""
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * (2 << 20), zip=True)
    with (tmp_path / "huge.png").open("wb") as file:
        file.write(saved(drawn()))
        file.truncate(picture_file.MAX_BYTES + 1)
    with pytest.raises(Unreadable) as told:
        opened(tmp_path / "huge.png")

    assert refused(saved(drawn(), pnginfo=text)) == (
        "resource-limit",
        "the text in the PNG is too large",
    )
    assert (told.value.kind, told.value.why) == (
        "resource-limit",
        "1073741825 bytes, at most 1073741824 are read",
    )


def test_a_path_that_gives_nothing(tmp_path: Path) -> None:
    """A missing file and a folder are told as such."""
    for path, kind in ((tmp_path / "a.png", "missing"), (tmp_path, "io-error")):
        with pytest.raises(Unreadable) as told:
            opened(path)
        assert told.value.kind == kind


# Orientation and metadata


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP lossless", "TIFF", "TIFF lzw", "AVIF"])
@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_applied_once(kind: str, value: int) -> None:
    """Row 11: each EXIF orientation shows the same upright picture, in every format that has it."""
    upright = Image.new("RGB", (48, 32), (255, 255, 255))
    upright.paste((255, 0, 0), (0, 0, 16, 16))
    upright.paste((0, 0, 255), (16, 0, 32, 16))
    inverse = {6: 8, 8: 6}.get(value, value)
    stored = upright if value == 1 else ImageOps.exif_transpose(tagged(upright, inverse))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    options = {**FORMATS[kind], **({"quality": 95} if kind in ("JPEG", "AVIF") else {})}
    found = decode(saved(stored, kind.split()[0], exif=exif, **options))

    assert found.image.size == (48, 32)
    assert found.warnings == ()
    assert found.image.info == {}
    for at in ((8, 8), (24, 8), (40, 8), (8, 24)):
        expected, shown = upright.getpixel(at), found.image.getpixel(at)
        assert np.abs(np.subtract(expected, shown)).max() <= 12, at  # type: ignore[arg-type]


def tagged(image: Image.Image, orientation: int) -> Image.Image:
    """Return a copy that Pillow takes to be stored in `orientation`."""
    copy = image.copy()
    copy.getexif()[ExifTags.Base.Orientation] = orientation
    return copy


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing(value: int) -> None:
    """Row 11: orientation 0 or 9 leaves the picture as it is, with a warning."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    found = decode(saved(drawn(), exif=exif))

    assert found.image.tobytes() == drawn().tobytes()
    assert found.warnings == (f"its EXIF orientation `{value}` means nothing and is ignored",)


def test_broken_metadata_costs_no_pixel() -> None:
    """Row 12: broken EXIF, a broken ICC profile and broken XMP are dropped; the pixels stay."""
    exif = saved(drawn(), exif=b"Exif\0\0XX*\0damaged")
    icc = decode(saved(drawn(), icc_profile=b"no profile at all"))
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta <<< tiff:Orientation='x'")
    foreign = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

    assert decode(exif).warnings == ("its EXIF data is broken and ignored",)
    assert icc.warnings == (
        "its ICC profile is ignored (OSError: cannot open profile from string)",
    )
    assert len(decode(saved(drawn(), icc_profile=foreign)).warnings) == 1
    for data in (exif, saved(drawn(), icc_profile=b"?"), saved(drawn(), pnginfo=xmp)):
        assert decode(data).image.tobytes() == drawn().tobytes()


# Colour


def test_an_srgb_profile_moves_no_pixel() -> None:
    """A profile that is sRGB by any name leaves every pixel as stored."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = decode(saved(drawn(), icc_profile=icc))

    assert found.warnings == ()
    assert found.image.tobytes() == drawn().tobytes()


def test_a_profile_next_to_srgb_moves_no_pixel() -> None:
    """A profile that differs from sRGB by its rounding alone leaves every pixel as stored."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (red,) = struct.unpack_from(">I", icc, icc.index(b"rXYZ") + 4)
    struct.pack_into(">i", icc, red + 8, struct.unpack_from(">i", icc, red + 8)[0] + 20)
    near, srgb = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
    levels = range(0, 256, 15)
    colours = bytes(level for r in levels for g in levels for b in levels for level in (r, g, b))
    image = Image.frombytes("RGB", (18, 18 * 18), colours)
    converted = ImageCms.profileToProfile(image, near, srgb)

    assert converted is not None
    assert converted.tobytes() != image.tobytes()
    assert decode(saved(image, icc_profile=bytes(icc))).image.tobytes() == image.tobytes()


def wide_profile() -> bytes:
    """Return sRGB with its red and green primaries exchanged: easy to check, hard to miss."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = icc.index(b"rXYZ"), icc.index(b"gXYZ")
    icc[red : red + 4], icc[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(icc)


def test_another_profile_is_converted() -> None:
    """Row 13: colours under an ICC profile come out as sRGB, with transparency on white."""
    swapped = drawn()
    swapped.putalpha(255)
    swapped.putpixel((3, 3), (9, 9, 9, 0))
    found = decode(saved(swapped, icc_profile=wide_profile()))
    expected = np.asarray(drawn())[..., [1, 0, 2]].astype(int)
    expected[3, 3] = 255

    assert found.warnings == ()
    assert np.abs(np.asarray(found.image).astype(int) - expected).max() <= 1


def test_a_grey_picture_with_a_colour_profile() -> None:
    """Row 13: a grey picture tagged with an RGB profile goes through it as equal channels."""
    grey = drawn().convert("L")
    found = decode(saved(grey, icc_profile=wide_profile()))

    assert found.warnings == ()
    assert np.abs(np.asarray(found.image).astype(int) - np.asarray(grey)[..., None]).max() <= 1


def test_a_profile_of_another_colour_space_is_dropped() -> None:
    """Row 12: an RGB profile in a CMYK picture is ignored, with a warning."""
    data = saved(drawn().convert("CMYK"), "TIFF", icc_profile=wide_profile())
    found = decode(data)

    assert found.image.tobytes() == drawn().convert("CMYK").convert("RGB").tobytes()
    assert found.warnings == ("its ICC profile is ignored (PyCMSError: cannot build transform)",)


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(float) / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize("kind", ["PNG", "WEBP lossless", "TIFF"])
def test_alpha_is_composited_on_white(kind: str) -> None:
    """Row 14: half and fully transparent pixels are blended with white, never left as stored."""
    rgba = np.dstack([np.asarray(drawn()), np.arange(96).reshape(8, 12) * 2]).astype("uint8")
    data = saved(Image.fromarray(rgba), kind.split()[0], **FORMATS[kind])

    assert np.abs(pixels(data) - on_white(rgba)).max() <= 1


def test_a_transparent_picture_is_white() -> None:
    """Row 14: colours under alpha 0 show nowhere."""
    clear = Image.new("RGBA", (5, 5), (200, 0, 0, 0))

    assert [pixels(saved(clear, kind)).min() for kind in ("PNG", "AVIF", "WEBP")] == [255] * 3


def test_transparency_without_an_alpha_channel() -> None:
    """Row 14: LA, a palette with clear entries and one clear colour are on white too."""
    grey = np.arange(96, dtype="uint8").reshape(8, 12)
    la = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(grey[::-1].copy())])
    rgba_of_la = np.stack([grey, grey, grey, grey[::-1]], -1)
    palette = drawn().quantize(8)
    clear = bytes([0, 128, 255, 255, 255, 255, 255, 255])
    rgb = drawn()
    one = np.asarray(rgb).copy()
    one[5, 7] = 255

    assert np.abs(pixels(saved(la)) - on_white(rgba_of_la)).max() <= 1
    rgba_of_p = np.dstack(
        [np.asarray(palette.convert("RGB")), np.array(list(clear))[np.asarray(palette)]]
    )
    assert np.abs(pixels(saved(palette, transparency=clear)) - on_white(rgba_of_p)).max() <= 1
    assert (pixels(saved(rgb, transparency=rgb.getpixel((7, 5)))) == one).all()
    assert pixels(saved(palette, "GIF", transparency=3))[np.asarray(palette) == 3].min() == 255


def test_a_transparent_grey_or_colour_of_16_bits() -> None:
    """Row 14: tRNS of a 16-bit PNG makes exactly its value transparent (colour: its high bytes)."""
    grey = np.array([[1000, 1001, 999, 65535]], ">u2")
    data = raw_png(grey.view("uint8"), 16, 0, (b"tRNS", struct.pack(">H", 1000)))
    colour = np.array([[0x1234, 0x5678, 0x9ABC, 0x1134, 0x5678, 0x9ABC]], ">u2")
    clear = (b"tRNS", struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC))

    assert pixels(data)[0, :, 0].tolist() == [255, 4, 4, 255]
    assert pixels(raw_png(colour.view("uint8"), 16, 2, clear)).tolist() == [
        [[255, 255, 255], [0x11, 0x56, 0x9A]]
    ]


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    """Row 13: 0 to 65535 becomes 0 to 255, rounded to the nearest."""
    values = np.arange(65536, dtype="uint16").reshape(256, 256)
    expected = np.round(values / 257).astype("uint8")

    for data in (
        saved(Image.fromarray(values)),
        saved(Image.fromarray(values), "TIFF"),
        saved(Image.fromarray(values.astype("int32")), "TIFF"),
    ):
        assert (pixels(data) == expected[..., None]).all()


def test_numbers_of_other_ranges() -> None:
    """Row 13: integers beyond 16 bits are stretched; floats in 0..1, 0..255 or 0..65535 scaled."""
    wide = np.array([[-1000, 0, 1_000_000, 2_999_000]], "int32")
    cases = [
        (wide, (wide + 1000) * 255 / 3_000_000),
        (np.array([[0, 0.25, 1]], "float32"), np.array([[0, 63.75, 255]])),
        (np.array([[0, 1.5, 200]], "float32"), np.array([[0, 1.5, 200]])),
        (np.array([[0, 514, 65535]], "float32"), np.array([[0, 2, 255]])),
        (np.array([[-1, 0, 3]], "float32"), np.array([[0, 63.75, 255]])),
        (np.array([[-7, -7]], "int32"), np.array([[0, 0]])),
    ]
    for values, expected in cases:
        shown = pixels(saved(Image.fromarray(values), "TIFF"))[..., 0]
        assert shown.tolist() == np.floor(expected + 0.5).astype(int).tolist()


GOLDEN = {
    "1": "9bf5e56c9f776a96",
    "L": "00b64b7f0c18a2f3",
    "P": "2cf4eee474df6f74",
    "RGB": "640f5a9f68671f97",
    "CMYK": "640f5a9f68671f97",
    "YCbCr": "249880720662565a",
    "RGBA": "e45138947b6d006b",
    "LA": "dae2a11abbcc1308",
    "I;16": "afb8d5597d85fb78",
    "I": "18457fa70680bc8a",
    "F": "00b64b7f0c18a2f3",
}


@pytest.mark.parametrize("mode", GOLDEN)
def test_golden_pixels_of_each_mode(mode: str) -> None:
    """Row 13: each mode gives the pixels it always gave; else raise images.VERSION."""
    if mode == "I;16":
        image = Image.fromarray(np.arange(96, dtype="uint16").reshape(8, 12) * 600)
    elif mode == "P":
        image = drawn().quantize(16)
    elif mode == "LA":
        image = Image.merge("LA", [drawn().getchannel(0), drawn().getchannel(1)])
    elif mode == "RGBA":
        image = drawn()
        image.putalpha(drawn().getchannel(0))
    else:
        image = drawn().convert(mode)
    data = saved(image, "PNG" if mode in ("1", "P", "I;16") else "TIFF")

    digest = hashlib.sha256(decode(data).image.tobytes()).hexdigest()[:16]
    assert (picture_file.VERSION, digest) == (3, GOLDEN[mode])


def test_lab_comes_back() -> None:
    """Row 13: a LAB picture shows the colours it was made of, to the rounding of LAB."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(drawn(), srgb, lab, outputMode="LAB")
    assert image is not None

    difference = np.abs(pixels(saved(image, "TIFF")).astype(int) - np.asarray(drawn()))
    assert difference.mean() < 3


# Frames


@pytest.mark.parametrize("kind", ["GIF", "WEBP lossless", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    """Row 15: of several frames the first is used, with a warning; a single frame has none."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 0, 250))]
    name, options = kind.split()[0], FORMATS[kind]
    found = decode(saved(frames[0], name, save_all=True, append_images=frames[1:], **options))

    assert found.warnings == ("has more than one frame: the first is used",)
    assert np.abs(np.asarray(found.image).astype(int) - (250, 0, 0)).max() <= 6
    assert decode(saved(frames[0], name, **options)).warnings == ()


def test_a_broken_second_frame_is_no_obstacle() -> None:
    """Row 15: damage after the first frame of a GIF costs nothing."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 0, 250))]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    place = data.rindex(b"\x2c")

    assert pixels(data[: place + 5] + b";").tolist() == [[[250, 0, 0]] * 16] * 16


def test_a_camera_with_two_pictures_in_a_jpeg() -> None:
    """A JPEG with further pictures (MPO, as phones write) is its first one, without a warning."""
    small = Image.new("RGB", (8, 8), (0, 0, 250))
    found = decode(saved(drawn(), "MPO", save_all=True, append_images=[small]), "a.jpg")

    assert (found.format, found.warnings, found.image.size) == ("JPEG", (), (WIDTH, HEIGHT))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (5000, 1)])
def test_the_narrowest_pictures(size: tuple[int, int]) -> None:
    """Rows 16 and 17: pictures of one pixel's width are decoded; a stage decides what they are."""
    assert decode(saved(Image.new("RGB", size))).image.size == size


# Pixel work


def test_resizing() -> None:
    """A picture at its own size keeps its pixels; else Pillow's named filter at (width, height)."""
    image = drawn()

    assert picture_file.resized(image, (WIDTH, HEIGHT)).tobytes() == image.tobytes()
    assert picture_file.resized(image, (6, 5)).size == (6, 5)
    blocks = np.asarray(image).reshape(4, 2, 6, 2, 3).astype(int)
    halved = np.asarray(picture_file.resized(image, (6, 4), "box")).astype(int)
    assert np.abs(halved - blocks.mean((1, 3))).max() <= 0.5


def test_png_bytes_depend_on_pixels_alone() -> None:
    """The same pixels give the same bytes, whatever metadata came with them; they come back."""
    image = drawn()
    image.info = {"icc_profile": wide_profile(), "dpi": (72, 72), "comment": "x", "gamma": 1.0}

    assert picture_file.png(image) == picture_file.png(drawn())
    assert image.info["comment"] == "x"
    assert decode(picture_file.png(image)).image.tobytes() == drawn().tobytes()
    names = [
        name
        for name in (b"iCCP", b"pHYs", b"tEXt", b"eXIf", b"tIME")
        if name in picture_file.png(image)
    ]
    assert names == []


def test_suffixes() -> None:
    """A file is taken for a picture by these endings, in lower case."""
    expected = (
        ".apng .avif .avifs .bmp .dib .gif .jfif .jif .jpe .jpeg .jpg .mpo .pjp .pjpeg .png .tif "
        ".tiff .webp"
    )
    assert " ".join(sorted(picture_file.SUFFIXES)) == expected


SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"


@pytest.mark.skipif(not SHARED.exists(), reason="the shared pictures are not beside the checkout")
def test_real_pictures_are_what_a_bare_script_sees() -> None:
    """Photos with an sRGB profile and transparent sprites equal Pillow's own pixels exactly."""
    photos = sorted((SHARED / "photos").rglob("*.jpg"))
    sprites = sorted((SHARED / "renpy-sprites").rglob("*.png"))
    assert (len(photos), len(sprites)) == (20, 13)
    for path in photos:
        assert opened(path).image.tobytes() == Image.open(path).convert("RGB").tobytes()
    for path in sprites:
        sprite = Image.open(path).convert("RGBA")
        white = Image.new("RGBA", sprite.size, (255, 255, 255))
        white.alpha_composite(sprite)
        assert opened(path).image.tobytes() == white.convert("RGB").tobytes()
