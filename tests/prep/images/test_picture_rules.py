"""The rules of docs/pictures.md, each against numbers, or against NumPy by another way."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from prep.images.picture_file import opened
from prep.images.unreadable import Unreadable
from tests.prep.picture_files import bmp, gif, png, tiff, words


def decode(data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    found = opened(io.BytesIO(data))
    return np.asarray(found.image), found.warnings


def red(data: bytes) -> list[int]:
    """Return the red channel of the first row."""
    return decode(data)[0][0, :, 0].tolist()


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)  # type: ignore[arg-type]
    return stream.getvalue()


# A transparent colour


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_clear_grey_of_any_depth(depth: int) -> None:
    """Case G1: exactly the grey that a PNG's tRNS names is cleared, in every depth."""
    top = (1 << depth) - 1
    levels = [0, 1] if depth == 1 else [0, 1, 2, top]
    for clear in levels:
        data = png([levels], depth, 0, (b"tRNS", words(clear)))
        shown = [255 if level == clear else round(level * 255 / top) for level in levels]
        assert red(data) == shown


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.sampled_from([1, 2, 4, 8, 16]), st.data())
def test_any_row_of_greys(depth: int, data: st.DataObject) -> None:
    """Case G1: whatever the row and whatever tRNS says, its low bits name the grey that clears."""
    top = (1 << depth) - 1
    levels = data.draw(st.lists(st.integers(0, top), min_size=1, max_size=20))
    clear = data.draw(st.sampled_from(levels) | st.integers(0, 65535))
    shown = red(png([levels], depth, 0, (b"tRNS", words(clear))))

    assert shown == [
        255 if level == clear & top else int(level * 255 / top + 0.5) for level in levels
    ]


def test_the_clear_grey_of_the_report() -> None:
    """Case G1: 4x1 of 2 bits, pixels 0 1 2 3, tRNS 2, is 0 85 255 255 on white."""
    assert red(png([[0, 1, 2, 3]], 2, 0, (b"tRNS", words(2)))) == [0, 85, 255, 255]
    assert red(png([[0, 1, 2, 3]], 2, 0, (b"tRNS", words(6)))) == [0, 85, 255, 255]


def test_a_png_without_its_palette_is_damaged() -> None:
    """Case G7: the reason is told in words, in every depth."""
    for depth in (1, 2, 4, 8):
        with pytest.raises(Unreadable) as told:
            decode(png([[0, 1, 1]], depth, 3))
        assert told.value.why == "the PNG is damaged: it has no palette"


def test_clear_colours_and_palettes() -> None:
    """Case G1: the clear colour of RGB, by its low byte; alpha of a palette of 1 to 8 bits."""
    colours = [[[1, 2, 3], [1, 2, 4], [9, 9, 9]]]
    for high in (0, 0x7700):
        data = png(colours, 8, 2, (b"tRNS", words(high + 1, high + 2, high + 3)))
        assert decode(data)[0].tolist() == [[[255, 255, 255], [1, 2, 4], [9, 9, 9]]]
    table = b"\xff\0\0\0\xff\0"
    for depth in (1, 2, 4, 8):
        data = png([[0, 1, 1]], depth, 3, (b"PLTE", table), (b"tRNS", b"\x80\0"))
        assert decode(data)[0].tolist() == [[[255, 127, 127], [255] * 3, [255] * 3]]


# Gamma, primaries, coding


def srgb_of(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    low = light <= 0.0031308
    return np.where(low, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255


def light_of(numbers: np.ndarray) -> np.ndarray:
    scaled = numbers / 255
    return np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def primaries(*values: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


REC709 = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
# W3C, CSS Color 4, 10.8: linear Display P3 to linear sRGB.
P3_TO_SRGB = np.array(
    [[1.2249401, -0.2249402, 0], [-0.0420569, 1.0420571, 0], [-0.0196376, -0.0786361, 1.0982735]]
)
# ITU-R BT.2087: BT.2020 to BT.709.
WIDE_TO_SRGB = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349],
     [-0.018151, -0.100579, 1.118730]]
)  # fmt: skip
COLOURS = np.random.default_rng(3).integers(0, 256, (16, 16, 3))


@pytest.mark.parametrize("value", [1.0, 0.5, 0.55556, 0.3])
def test_gamma_is_applied(value: float) -> None:
    """Case G2: numbers under another gAMA than sRGB's become sRGB's, as light demands."""
    data = png(COLOURS, 8, 2, gamma(value))
    shown, warnings = decode(data)

    assert np.abs(shown - srgb_of((COLOURS / 255) ** (1 / value))).max() <= 1.5
    assert warnings == (f"its colours were converted from gAMA {value:g} to sRGB",)
    assert red(png([[55]], 8, 0, gamma(1.0))) == [128]


def test_gamma_of_a_grey_and_of_a_palette() -> None:
    """Case G2: 16-bit grey, 4-bit grey and a palette under gamma 1 are light, too."""
    levels = np.array([[0, 3, 8, 15]])
    wanted = np.round(srgb_of(levels / 15))[0].tolist()

    assert red(png(levels, 4, 0, gamma(1.0))) == wanted
    assert red(png(levels * 0x1111, 16, 0, gamma(1.0))) == wanted
    table = bytes(level * 17 for level in (0, 3, 8, 15) for _ in range(3))
    assert red(png([[0, 1, 2, 3]], 2, 3, gamma(1.0), (b"PLTE", table))) == wanted


def test_what_stands_for_srgb_moves_no_pixel() -> None:
    """Case G2: gAMA 0.45455, sRGB's own cHRM, or an sRGB chunk beside any gAMA: as stored."""
    for extra in (
        [gamma(0.45455)], [gamma(0.45)], [primaries(*REC709)], [gamma(0.0)],
        [gamma(0.45455), primaries(*REC709)], [(b"sRGB", b"\0"), gamma(1.0), primaries(*P3)],
        [(b"cICP", bytes([1, 13, 0, 1])), gamma(1.0)], [(b"cICP", bytes([1, 1, 0, 1]))],
    ):  # fmt: skip
        shown, warnings = decode(png(COLOURS, 8, 2, *extra))
        assert (shown == COLOURS).all()
        assert warnings == ()


def test_primaries_are_applied() -> None:
    """Case G2: cHRM without gAMA has sRGB's curve; colours come out by the published matrix."""
    shown, warnings = decode(png(COLOURS, 8, 2, primaries(*P3)))

    assert np.abs(shown - srgb_of(light_of(COLOURS) @ P3_TO_SRGB.T)).max() <= 2.5
    assert warnings == ("its colours were converted from cHRM to sRGB",)


@pytest.mark.parametrize(
    ("codes", "matrix", "name"),
    [
        ((12, 13, 0, 1), P3_TO_SRGB, "Display P3 (cICP)"),
        ((9, 14, 0, 1), WIDE_TO_SRGB, "BT.2020 (cICP)"),
        ((9, 1, 0, 1), WIDE_TO_SRGB, "BT.2020 (cICP)"),
    ],
)
def test_coding_is_applied(codes: tuple[int, ...], matrix: np.ndarray, name: str) -> None:
    """Case G2: cICP of Display P3 and BT.2020 becomes sRGB, and goes before iCCP and sRGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    icc = (b"iCCP", b"x\0\0" + zlib.compress(profile))
    for others in ([], [icc], [(b"sRGB", b"\0")], [gamma(1.0)]):
        shown, warnings = decode(png(COLOURS, 8, 2, (b"cICP", bytes(codes)), *others))

        assert np.abs(shown - srgb_of(light_of(COLOURS) @ matrix.T)).max() <= 2.5
        assert warnings == (f"its colours were converted from {name} to sRGB",)


def test_coding_in_other_ranges_and_curves() -> None:
    """Case G2: narrow range is stretched; curves 4, 5, 8 are powers; unknown codes are told."""
    narrow = (b"cICP", bytes([1, 13, 0, 0]))
    power = (b"cICP", bytes([1, 4, 0, 1]))
    odd = (b"cICP", bytes([1, 99, 0, 1]))

    assert red(png([[16, 235, 126, 0, 255]], 8, 0, narrow)) == [0, 255, 128, 0, 255]
    shown = decode(png(COLOURS, 8, 2, power))[0]
    assert np.abs(shown - srgb_of((COLOURS / 255) ** 2.2)).max() <= 1.5
    shown, warnings = decode(png(COLOURS, 8, 2, odd))
    assert (shown == COLOURS).all()
    assert warnings == ("its colour coding (cICP 1/99) is unknown and ignored",)
    assert decode(png(COLOURS, 8, 2, (b"cICP", bytes([2, 2, 0, 1]))))[1] == ()
    shown, warnings = decode(png(COLOURS, 8, 2, primaries(*[0.2] * 8)))
    assert (shown == COLOURS).all()
    assert warnings == ("its colour coding (cHRM) means nothing and is ignored",)


def test_transparency_under_a_gamma() -> None:
    """Case G2: colours are converted before they are laid on white."""
    data = png([[[55, 128], [55, 255], [0, 0]]], 8, 4, gamma(1.0))

    assert np.abs(np.subtract(red(data), [191, 128, 255])).max() <= 1


# HDR


def pq_light(numbers: np.ndarray) -> np.ndarray:
    """Return cd/m2 of PQ, by SMPTE ST 2084."""
    power = (numbers / 255) ** (1 / 78.84375)
    return 10_000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (
        1 / 0.1593017578125
    )


def hlg_light(numbers: np.ndarray) -> np.ndarray:
    """Return cd/m2 of HLG on a display of 1,000 cd/m2, by ITU-R BT.2100."""
    scaled = numbers / 255
    scene = np.where(
        scaled <= 0.5, scaled**2 / 3, (np.exp((scaled - 0.55991073) / 0.17883277) + 0.28466892) / 12
    )
    return 1000 * scene * (scene @ [0.2627, 0.678, 0.0593])[..., None] ** 0.2


def pq_number(light: float) -> float:
    power = (light / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def bt2390(light: float) -> float:
    """Return cd/m2 after BT.2390's curve from 1,000 to 203, one number at a time."""
    top, target = pq_number(1000), pq_number(203) / pq_number(1000)
    knee, value = 1.5 * target - 0.5, min(pq_number(light) / pq_number(1000), 1)
    if value > knee:
        t = (value - knee) / (1 - knee)
        value = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (3 * t**2 - 2 * t**3) * target
        )
    return float(pq_light(np.array(value * top * 255)))


@pytest.mark.parametrize(("code", "light"), [(16, pq_light), (18, hlg_light)])
def test_hdr_is_mapped_by_the_stated_curve(code: int, light) -> None:  # type: ignore[no-untyped-def]
    """Case G3: PQ and HLG in a PNG equal the standards' formulas, colour by colour, and say so."""
    shown, warnings = decode(png(COLOURS, 8, 2, (b"cICP", bytes([9, code, 0, 1]))))
    there = np.maximum(light(COLOURS) @ WIDE_TO_SRGB.T, 0)
    wanted = np.zeros(COLOURS.shape)
    for place in np.ndindex(16, 16):
        most = there[place].max()
        wanted[place] = there[place] * (bt2390(most) / max(most, 1e-9)) / 203
    name = {16: "BT.2020 HDR (PQ)", 18: "BT.2020 HDR (HLG)"}[code]

    assert np.abs(shown - srgb_of(wanted)).max() <= 1
    assert warnings == (f"its colours were mapped from {name} (cICP) to sRGB",)


def test_hdr_white_and_black() -> None:
    """Case G3: paper white (203 cd/m2) is light, 1,000 is white, black is black; 16 bits too."""
    coding = (b"cICP", bytes([9, 16, 0, 1]))
    levels = np.array([[0, 148, 192, 255]])

    assert red(png(levels, 8, 0, coding)) == [0, 229, 255, 255]
    deep = png(np.repeat(levels[..., None] * 257, 3, -1), 16, 2, coding)
    assert red(deep) == [0, 229, 255, 255]


def avif(image: Image.Image, nclx: tuple[int, int], **options: object) -> bytes:
    """Return an AVIF whose colour coding is replaced (primaries, transfer)."""
    data = saved(image, "AVIF", quality=100, subsampling="4:4:4", **options)
    at = data.index(b"nclx") + 4
    return data[:at] + words(*nclx) + data[at + 4 :]


def test_the_coding_of_an_avif() -> None:
    """Case G3: nclx of an AVIF: HDR is mapped, P3 converted, sRGB and BT.709 left alone."""
    plain = Image.new("RGB", (16, 16), (148, 148, 148))
    shown, warnings = decode(avif(plain, (9, 16)))
    assert np.abs(shown.astype(int) - 229).max() <= 3
    assert warnings == ("its colours were mapped from BT.2020 HDR (PQ) (nclx) to sRGB",)
    shown, warnings = decode(avif(plain, (9, 18)))
    assert np.abs(shown.astype(int) - 165).max() <= 3
    colour = Image.new("RGB", (16, 16), (200, 100, 50))
    stored = np.array(Image.open(io.BytesIO(avif(colour, (1, 13)))).getpixel((5, 5)))
    shown, warnings = decode(avif(colour, (12, 13)))
    assert np.abs(shown[5, 5] - srgb_of(light_of(stored) @ P3_TO_SRGB.T)).max() <= 1.5
    assert warnings == ("its colours were converted from Display P3 (nclx) to sRGB",)
    for codes in ((1, 13), (1, 1), (2, 2), (1, 2), (6, 6)):
        shown, warnings = decode(avif(colour, codes))
        assert np.abs(shown[5, 5] - stored).max() <= (0 if codes[0] < 6 else 20)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(saved(colour, "AVIF", icc_profile=icc))[1] == ()


# Orientation


def packet(value: str) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
        + value.encode()
        + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


SHOWN = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: np.rot90(a),
}  # fmt: skip


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_orientation_by_xmp(form: str, value: int) -> None:
    """Case G4: where EXIF has no orientation, XMP's is applied, however it is written."""
    stored = np.zeros((16, 32, 3), "uint8")
    stored[:8, :16], stored[8:, 16:] = (240, 0, 0), (0, 0, 240)
    image = Image.fromarray(stored)
    for text in (
        f"tiff:Orientation=\"{value}\">", f"tiff:Orientation='{value}'>",
        f"><tiff:Orientation>{value}</tiff:Orientation>", f'tiff:Orientation = "{value}" >',
    ):  # fmt: skip
        shown, warnings = decode(with_xmp(image, form, packet(text)))
        wanted = SHOWN[value](stored.astype(int))
        assert shown.shape == wanted.shape
        assert np.abs(shown - wanted).mean() < 8
        assert warnings == ()


def with_xmp(image: Image.Image, form: str, text: bytes, **options: object) -> bytes:
    if form != "PNG":
        return saved(image, form, xmp=text, quality=95, **options)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", text.decode())
    return saved(image, form, pnginfo=info, **options)


def exif(value: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = value
    return found


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_exif_goes_before_xmp(form: str) -> None:
    """Case G4: EXIF's orientation counts alone where it is there; XMP's nonsense is told."""
    image = Image.new("RGB", (32, 16))
    turned = packet('tiff:Orientation="6">')

    assert decode(with_xmp(image, form, turned, exif=exif(1)))[0].shape == (16, 32, 3)
    assert decode(with_xmp(image, form, turned, exif=exif(8)))[0].shape == (32, 16, 3)
    assert decode(with_xmp(image, form, turned, exif=exif(3)))[0].shape == (16, 32, 3)
    assert decode(with_xmp(image, form, packet('tiff:Orientation="9">')))[1] == (
        "its XMP orientation `9` means nothing and is ignored",
    )


def test_the_turns_of_an_avif() -> None:
    """Case G4: `irot` turns an AVIF once, anticlockwise; its EXIF and XMP turn nothing."""
    stored = np.zeros((32, 64, 3), "uint8")
    stored[:16, :32], stored[16:, 32:] = (240, 0, 0), (0, 0, 240)
    data = saved(Image.fromarray(stored), "AVIF", exif=exif(6), quality=95)
    at = data.index(b"irot") + 4
    for quarters in range(4):
        shown = decode(data[:at] + bytes([quarters]) + data[at + 1 :])[0]
        wanted = np.rot90(stored.astype(int), quarters)
        assert shown.shape == wanted.shape
        assert np.abs(shown - wanted).mean() < 8
    xmp = saved(Image.fromarray(stored), "AVIF", xmp=packet('tiff:Orientation="6">'))
    assert decode(xmp)[0].shape == stored.shape


# Frames


def test_what_the_first_frame_leaves_free_is_transparent() -> None:
    """Case G5: a GIF's first frame in a larger canvas is shown on white, at its place."""
    for clear in (-1, 0):
        shown = decode(gif((7, 5), (2, 1, 3, 2), clear))[0]
        wanted = np.full((5, 7, 3), 255)
        wanted[1:3, 2:5] = (255, 0, 0)
        assert (shown == wanted).all()
    assert (decode(gif((3, 2), (0, 0, 3, 2)))[0] == (255, 0, 0)).all()


def test_the_first_frame_of_a_webp_and_an_apng() -> None:
    """Case G5: the same for WebP; the picture of an APNG is its default one, whole."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (250, 0, 0)).save(stream, "WEBP", lossless=True)
    chunk = stream.getvalue()[12:]
    place = b"".join(n.to_bytes(3, "little") for n in (1, 2, 7, 7, 100)) + b"\0"
    frame = b"ANMF" + (16 + len(chunk)).to_bytes(4, "little") + place + chunk
    body = b"VP8X\x0a\0\0\0\x02\0\0\0" + b"".join(n.to_bytes(3, "little") for n in (19, 15))
    body += b"ANIM\x06\0\0\0" + bytes(6) + frame + frame
    shown = decode(b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body)[0]
    wanted = np.full((16, 20, 3), 255)
    wanted[4:12, 2:10] = (250, 0, 0)

    assert (shown == wanted).all()
    frames = [Image.new("RGB", (6, 6), c) for c in ((1, 2, 3), (200, 0, 0), (0, 200, 0))]
    apng = saved(frames[0], "PNG", save_all=True, default_image=True, append_images=frames[1:])
    assert (decode(apng)[0] == (1, 2, 3)).all()


# BMP


def channel(value: int, mask: int) -> int:
    """Return a channel as 0 to 255, bit by bit."""
    places = [bit for bit in range(32) if mask >> bit & 1]
    number = sum((value >> bit & 1) << place for place, bit in enumerate(places))
    return number * 255 // ((1 << len(places)) - 1)


LAYOUTS = {
    "1555": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)), "4444": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "5551": (16, (0xF800, 0x7C0, 0x3E, 1)), "565": (16, (0xF800, 0x7E0, 0x1F, 0)),
    "332": (16, (0xE0, 0x1C, 3, 0xFF00)), "8888": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF << 24)),
    "2-10": (32, (0x3FF00000, 0xFFC00, 0x3FF, 3 << 30)), "rgbx": (32, (0xFF, 0xFF00, 0xFF0000, 0)),
    "argb": (32, (0xFF00, 0xFF0000, 0xFF << 24, 0xFF)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("header", [124, 108, 56])
def test_channels_of_a_bmp_by_masks(name: str, header: int) -> None:
    """Case G6: each layout of 16 and 32 bits with alpha gives colours on white, row by row."""
    bits, masks = LAYOUTS[name]
    values = np.random.default_rng(1).integers(0, 1 << bits, (3, 5)).tolist()
    shown, warnings = decode(bmp(values, bits, masks, header))
    for y, x in np.ndindex(3, 5):
        value = values[y][x]
        alpha = channel(value, masks[3]) / 255 if masks[3] else 1
        wanted = [channel(value, mask) * alpha + 255 * (1 - alpha) for mask in masks[:3]]
        assert np.abs(shown[y, x] - wanted).max() <= 1
    assert warnings == ()


def test_alpha_of_a_bmp_that_is_zero_everywhere() -> None:
    """Case G6: it means nothing, in 16 and 32 bits; masks behind a short header are read too."""
    assert red(bmp([[0x7C00, 0x001F]], 16, LAYOUTS["1555"][1])) == [255, 0]
    assert red(bmp([[0xFF0000, 0xFF]], 32, LAYOUTS["8888"][1])) == [255, 0]
    assert red(bmp([[0xFC00, 0x001F]], 16, LAYOUTS["1555"][1], 40, 6)) == [255, 255]
    assert red(bmp([[0xF800, 0x001F]], 16, LAYOUTS["565"][1][:3], 40)) == [255, 0]
    with pytest.raises(Unreadable, match="ends too early"):
        decode(bmp([[0xFC00, 0x001F]], 16, LAYOUTS["1555"][1])[:-2])
    with pytest.raises(Unreadable, match="BMP with masks that have gaps is not supported"):
        decode(bmp([[1, 2]], 16, (0x7C01, 0x3E0, 0x1E, 0x8000)))


# TIFF


def test_tiffs_that_were_shown_wrongly() -> None:
    """Case G8: white at zero in 16 bits, 12 bits, premultiplied grey, an 8-bit palette, 32 bits."""
    deep = np.array([0, 0x5555, 0xAAAA, 0xFFFF], "<u2").tobytes()
    tones, colours = [0, 85, 170, 255], [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
    table = [v for place in range(3) for v in [c[place] for c in colours] + [0] * 252]
    whole = np.array([0, 2**31, 2**32 - 1], "<u4").tobytes()

    assert red(tiff((4, 1), [16], 0, [deep])) == tones[::-1]
    assert red(tiff((4, 1), [16], 1, [deep])) == tones
    assert red(tiff((4, 1), [12], 1, [bytes([0x00, 0x05, 0x55, 0xAA, 0xAF, 0xFF])])) == tones
    assert red(tiff((2, 1), [8, 8], 1, [bytes([50, 128, 9, 255])], [(338, 3, [1])])) == [177, 9]
    coded = tiff((4, 1), [8], 3, [bytes(range(4))], [(320, 3, table)])
    assert decode(coded)[0].tolist() == [colours]
    wide = tiff((4, 1), [8], 3, [bytes(range(4))], [(320, 3, [257 * v for v in table])])
    assert decode(wide)[0].tolist() == [colours]
    assert red(tiff((3, 1), [32], 1, [whole])) == [0, 128, 255]
