"""High dynamic range to sRGB: one stated curve, the same for every picture.

Numbers to light by SMPTE ST 2084 (PQ) or ITU-R BT.2100 (HLG, shown at 1,000 cd/m2); the white of
paper is 203 cd/m2 (ITU-R BT.2408) and becomes sRGB's range: what is brighter is compressed by
BT.2390's curve from 1,000 to 203 cd/m2, taken of the largest of R, G and B, so that hues stay.
"""

from typing import TYPE_CHECKING, Any

from prep.images import colour

if TYPE_CHECKING:
    from PIL import Image

PEAK, PAPER = 1000.0, 203.0  # cd/m2
_ROWS = 256  # worked on at once: a picture of floats would take twelve times its size
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def tone_mapped(image: "Image.Image", space: colour.Space) -> "Image.Image":
    """Return an RGB image of an HDR space as sRGB; a stated loss, as 8 bits hold no HDR."""
    import numpy as np
    from PIL import Image

    whole = Image.new("RGB", image.size)
    matrix = np.array(colour.between(space.primaries))
    for top in range(0, image.height, _ROWS):
        box = (0, top, image.width, min(top + _ROWS, image.height))
        numbers = np.asarray(image.crop(box), dtype=np.float64) / 255
        light = _from_pq(numbers) if space.transfer == colour.PQ else _from_hlg(numbers)
        shown = _compressed(np.maximum(light @ matrix.T, 0))
        whole.paste(Image.fromarray((_srgb(shown) * 255 + 0.5).astype("uint8")), box)
    return whole


def _compressed(light: Any) -> Any:
    """Return linear sRGB, 0 to 1, of light in cd/m2."""
    import numpy as np

    most = light.max(axis=-1, keepdims=True)
    top = float(_to_pq(np.array(PEAK)))
    paper = float(_to_pq(np.array(PAPER))) / top
    value = np.minimum(_to_pq(most) / top, 1)
    knee = 1.5 * paper - 0.5
    t = np.clip((value - knee) / (1 - knee), 0, 1)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * paper
    )
    target = _from_pq(np.where(value < knee, value, bent) * top)
    return np.clip(light * (target / np.maximum(most, 1e-9)) / PAPER, 0, 1)


def _from_pq(numbers: Any) -> Any:
    import numpy as np

    power = numbers ** (1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _to_pq(light: Any) -> Any:
    power = (light / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _from_hlg(numbers: Any) -> Any:
    import numpy as np

    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(numbers <= 0.5, numbers**2 / 3, (np.exp((numbers - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    return PEAK * scene * luminance[..., None] ** 0.2


def _srgb(light: Any) -> Any:
    import numpy as np

    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
