"""The main job on the embedded default: pictures are drawn, prepared and trained on.

Runs `prep` as a person would: as a command.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tinyworld.pictures import CORRUPT, write_pictures

PIPELINES = """\
# Written by the demo. Change what you like: the next run redoes only what depends on it.
pipelines:
  demo:
    images: ./raw                     # the folder the first stage reads
    meta: ./meta.json                 # meta_bucket.json and meta_lat.json follow from it
    stages:
      - crop: {to: ./images, aspect_ratio: 0.75, min_side: 64}
      - augment: {to: ./augmented}
      - caption: {model: tiny}
      - tag: {model: tiny}
      - duplicates
      - edit: {rules: ./tags.rules, trigger: mascot}
      - bucket: {resolution: 128, step: 32}
      - latents: {model: tiny}
    train:
      method: lora
      base: tiny
      steps: 20
      rank: 4
"""

RULES = """\
# Written by the demo: what is done to every picture's tags, in this order.
- drop: [no_humans, "no humans"]
- rename: {":d": smile}
- first: [solo]
"""

# `prep run` ends so when it finished but pictures could not be read.
_PICTURES_FAILED = 3


def demo(folder: Path) -> int:
    """Draw the pictures, run the pipeline, say what was made; return the exit code.

    The corrupt picture is part of the show, so exit code 3 of `prep run` counts as success here.
    """
    raw, pipelines = folder / "raw", folder / "pipelines.yaml"
    written = write_pictures(raw)
    for path, text in ((pipelines, PIPELINES), (folder / "tags.rules", RULES)):
        if not path.exists():
            path.write_bytes(text.encode())
    drawn = f"{len(written)} pictures drawn" if written else "all pictures are there"
    print(f"{raw}: {drawn}", flush=True)
    # -P: a folder or file named `prep` where the person stands is not the program.
    command = [sys.executable, "-P", "-m", "prep", "run", "--pipelines", str(pipelines)]
    code = subprocess.run(command, check=False).returncode
    if code not in (0, _PICTURES_FAILED):
        return code
    exports = _exports(folder)
    for lora in exports:
        if not sheet_of(lora).exists():
            code = subprocess.run(drawing(lora), check=False).returncode
            if code:
                return code
    print(story(folder, exports))
    return 0


def sheet_of(lora: Path) -> Path:
    """Return the place of the sheet that shows the base model beside a LoRA."""
    return lora.with_name(f"{lora.stem}-sheet.png")


def drawing(lora: Path) -> list[str]:
    """Return the command that draws a LoRA's sheet."""
    words = ["--prompt", "mascot", "--seed", "0", "--seed", "1", "--steps", "8"]
    strengths = ["--strength", "0.5", "--strength", "1"]
    command = [sys.executable, "-P", "-m", "train", "sample", str(lora), *words, *strengths]
    return [*command, "--out", str(sheet_of(lora)), "--quiet"]


def story(folder: Path, exports: Iterable[Path]) -> str:
    """Return what the demo made, in plain words: one paragraph a subject, where everything is."""
    loras = list(exports)
    return "\n".join(
        [
            "",
            "What was made:",
            f"  {folder / 'raw'}: the drawings, untouched",
            f"  {folder / 'images'}: cut to 3:4",
            f"  {folder / 'augmented'}: the cuts and their mirror images, with tags (.txt),",
            "    captions (.caption) and one sheet of all of them (tags.csv)",
            f"  {folder / 'meta.json'}: the dataset; meta_bucket.json and meta_lat.json follow",
            *(_of_loras(loras) if loras else []),
            "",
            f"`{CORRUPT}` is broken on purpose: the file ends in the middle of the picture.",
            "prep lists such a file, leaves it where it is and goes on with the others; that is",
            f"the exit code {_PICTURES_FAILED} of `prep run`, until the file is mended or deleted.",
            "",
            "The embedded models are stand-ins with random weights: the tags, captions and the",
            "LoRA go through the real code but mean nothing. For real ones, name real models in",
            f"`{folder / 'pipelines.yaml'}`.",
            "",
            "Run the demo again: nothing is redone. Edit one .txt file and run it once more:",
            "your words stay, and only what depends on them is made again.",
            *(["", *_copying(loras[-1])] if loras else []),
        ]
    )


def _of_loras(loras: Iterable[Path]) -> list[str]:
    shown = [(lora, sheet_of(lora)) for lora in loras]
    lines = ["The LoRA, and a sheet with the base model beside it:"]
    return [*lines, *(f"  {path}" for pair in shown for path in pair)]


def _copying(lora: Path) -> list[str]:
    """Return where a LoRA goes in the programs that use it."""
    prompt = f"<lora:{lora.stem}:1> mascot"
    return [
        f"To use such a LoRA, copy `{lora.name}` to",
        f"  AUTOMATIC1111 or Forge: models/Lora, and write {prompt} as the prompt",
        "  ComfyUI: models/loras, and choose it in a Load LoRA node",
        f'  diffusers: pipeline.load_lora_weights("{lora.name}")',
    ]


def _exports(folder: Path) -> list[Path]:
    """Return the LoRA files of the training runs, the newest run last."""
    found = folder.glob("**/*.safetensors")
    outside = [path for path in found if not {".prep", "checkpoints"} & set(path.parts)]
    return sorted(outside, key=lambda path: (path.stat().st_mtime_ns, path))
