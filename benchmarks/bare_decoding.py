"""What no stage that looks at pixels can do without: the measure of `decoding`.

`python -m benchmarks.bare_decoding decode PICTURES`: decodes each picture by prep's rules in a
process for each core; what comes of it stays there.
`python -m benchmarks.bare_decoding latents PICTURES VAE`: decodes on all cores, resizes and cuts
to one square, encodes by eight, writes a file for each. Nothing is checked or remembered.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

BATCH, SIDE = 8, 256


def main(words: Sequence[str]) -> int:
    """Do what is asked; return 0."""
    pictures = sorted(Path(words[1]).glob("*.jpg"))
    if words[0] == "decode":
        with multiprocessing.Pool(os.cpu_count()) as pool:
            sizes = pool.map(decoded, map(str, pictures), chunksize=1)
        return int(len(sizes) != len(pictures))
    return encoded(pictures, words[2], pictures[0].parent.parent / "latents")


def decoded(path: str) -> tuple[int, int]:
    """Return the size of a picture that was decoded."""
    from prep.images.picture_file import opened

    return opened(Path(path)).image.size


def encoded(pictures: Sequence[Path], weights: str, folder: Path) -> int:
    """Write the latents of every picture; return 0."""
    import numpy as np
    import torch
    from diffusers import AutoencoderKL
    from safetensors.torch import save_file

    kind: Any = AutoencoderKL
    vae = kind.from_pretrained(weights).eval()
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool, torch.inference_mode():
        ready = pool.map(square, pictures)
        for start in range(0, len(pictures), BATCH):
            some = pictures[start : start + BATCH]
            pixels = torch.from_numpy(np.stack([next(ready) for _ in some]))
            found = vae.encode(pixels).latent_dist
            for path, mean, logvar in zip(some, found.mean, found.logvar, strict=True):
                tensors = {"mean": mean.contiguous(), "logvar": logvar.contiguous()}
                save_file(tensors, folder / f"{path.stem}.safetensors")
    return 0


def square(path: Path) -> Any:
    """Return a picture, SIDE x SIDE px, in [-1, 1], channels first."""
    import numpy as np

    with Image.open(path) as file:
        image = file.convert("RGB")
    scale = SIDE / min(image.size)
    wide, high = (max(SIDE, round(side * scale)) for side in image.size)
    left, top = (wide - SIDE) // 2, (high - SIDE) // 2
    small = image.resize((wide, high), Image.Resampling.LANCZOS)
    cut = small.crop((left, top, left + SIDE, top + SIDE))
    return np.asarray(cut, np.float32).transpose(2, 0, 1) / 127.5 - 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
