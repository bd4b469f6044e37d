"""What no tagger can do without: the measure of `tagging`.

`python -m benchmarks.bare_tagger MODEL_FOLDER PICTURES`: imports, decodes on all cores, pads,
resizes, calls `session.run` and writes a text beside each picture. Nothing is checked, nothing is
remembered.
"""

import csv
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

BATCH, THRESHOLD = 4, 0.35


def main(model: Path, folder: Path) -> int:
    """Tag every picture of a folder; return 0."""
    with (model / "selected_tags.csv").open(encoding="utf-8", newline="") as file:
        names = [row["name"].replace("_", " ") for row in csv.DictReader(file)]
    session = onnxruntime.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    fit = partial(prepared, size=session.get_inputs()[0].shape[1])
    pictures = sorted(folder.glob("*.jpg"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ready = pool.map(fit, pictures)
        for start in range(0, len(pictures), BATCH):
            some = pictures[start : start + BATCH]
            pixels = np.stack([next(ready) for _ in some])
            for path, scores in zip(some, session.run(None, {"input": pixels})[0], strict=True):
                tags = [names[n] for n in np.flatnonzero(scores >= THRESHOLD)]
                path.with_suffix(".txt").write_text(", ".join(tags) + "\n", encoding="utf-8")
    return 0


def prepared(path: Path, size: int) -> np.ndarray:
    """Return a picture on a white square, size x size px, BGR, float32."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    side = max(image.size)
    canvas = Image.new("RGB", (side, side), (255, 255, 255))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    small = canvas.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(small, np.float32)[:, :, ::-1]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
