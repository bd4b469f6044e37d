"""The main job on the embedded models: pictures are drawn, prepared, learnt from, and judged.

Runs `prep` and `train` as a person would: as commands.
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tinyworld import first_look
from tinyworld.pictures import CORRUPT, write_pictures
from tinyworld.words import look_tags
from tinyworld.world import MASCOT

TRIGGER = "lumi"

PIPELINES = f"""\
# Written by the demo. Change what you like: the next run redoes only what depends on it.
pipelines:
  demo:
    images: ./raw                     # the folder the first stage reads
    meta: ./meta.json                 # meta_bucket.json and meta_lat.json follow from it
    stages:
      - crop: {{to: ./images, aspect_ratio: 0.75, min_side: 64}}
      - augment: {{to: ./augmented}}
      - caption: {{model: tiny}}
      - tag: {{model: tiny}}
      - duplicates
      - edit: {{rules: ./tags.rules, trigger: {TRIGGER}}}
      - bucket: {{resolution: 112, step: 32}}
      - latents: {{model: tiny}}
    train:
      method: lora
      base: tiny
      text_encoder: true              # the trigger is a word that it never heard
      steps: 300
      batch: 4
      rank: 8
      learning_rate: 2.0e-3
      schedule: cosine
      save_every_steps: 100           # for the grid, and for the pictures of the report
      prompts: ./prompts.txt
"""

RULES = """\
# Written by the demo: what is done to every picture's tags, in this order.
- drop: [round body, coral fur, sprout, scarf]  # always so: the trigger stands for them
- drop: [no humans, blush]
- rename: {":d": smile}
- first: [solo]
"""

PROMPTS = f"""\
# Written by the demo: what is drawn whenever the training saves.
{TRIGGER}, waving, full body, meadow --d 1 --s 8 --l 4 --ss unipc
{TRIGGER}, jumping, full body, night --d 2 --s 8 --l 4 --ss unipc
"""

# `prep` ends so when it finished but pictures could not be read.
_PICTURES_FAILED = 3

# What the sheet shows: two places of the 20 pictures, one that they never show, and no trigger.
_SHOWN = (
    f"{TRIGGER}, waving, full body, meadow",
    f"{TRIGGER}, jumping, full body, night",
    f"{TRIGGER}, standing, upper body, studio",
    "a square mascot with blue fur, a crown and a bowtie, waving on a beach",
)
_JUDGED = 32
_ON_THE_WAY = re.compile(r"-step\d{8}$")
_DRAWING = (
    "--sampler", "unipc", "--steps", "8", "--guidance", "4", "--strength", "1", "--quiet",
)  # fmt: skip


def demo(folder: Path) -> int:
    """Draw the pictures, run the pipeline, judge the LoRA, say what was made; return the exit code.

    The corrupt picture is part of the show, so exit code 3 of `prep run` counts as success here.
    """
    raw, pipelines = folder / "raw", folder / "pipelines.yaml"
    written = write_pictures(raw)
    texts = {"pipelines.yaml": PIPELINES, "tags.rules": RULES, "prompts.txt": PROMPTS}
    for name, text in texts.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(text.encode())
    drawn = f"{len(written)} pictures drawn" if written else "all pictures are there"
    print(f"{raw}: {drawn}", flush=True)
    code = _look(folder)
    if code not in (0, _PICTURES_FAILED):
        return code
    code = _run("prep", "run", "--pipelines", str(pipelines))
    if code not in (0, _PICTURES_FAILED):
        return code
    exports = _exports(folder)
    for lora in exports:
        code = _show(lora) or _compare(lora) or _judge(lora)
        if code:
            return code
    print(story(folder, exports))
    return 0


def sheet_of(lora: Path) -> Path:
    """Return the place of the sheet that shows the base model beside a LoRA."""
    return lora.with_name(f"{lora.stem}-sheet.png")


def grid_of(lora: Path) -> Path:
    """Return the page that shows all saved steps of a LoRA beside the base model."""
    return lora.with_name("grid") / "grid.html"


def judged_of(lora: Path) -> Path:
    """Return the folder of the pictures that the tagger judges."""
    return lora.with_name(f"{lora.stem}-judged")


def prompts_to_judge() -> list[str]:
    """Return lines of a prompts file: the trigger, and nothing that says what it looks like."""
    dice = random.Random("judged")
    lines = []
    for number in range(_JUDGED):
        pose = dice.choice(("standing", "waving", "arms up", "jumping"))
        place = dice.choice(("meadow", "night", "beach", "snow"))
        lines.append(f"{TRIGGER}, {pose}, full body, {place} --w 96 --h 128 --d {number}")
    return lines


def found_in(judged: Path, words: str) -> int:
    """Return how many of the judged pictures whose name ends in `words` show the whole mascot."""
    looks = {tag.replace("_", " ") for tag in look_tags(MASCOT).values()}
    texts = (path.read_text(encoding="utf-8") for path in judged.glob(f"*{words}.txt"))
    return sum(looks <= set(text.strip().split(", ")) for text in texts)


def page_of(folder: Path) -> Path:
    """Return the page of the spoiled drawings."""
    return folder / "look" / "report.html"


def _look(folder: Path) -> int:
    """Write the page of the spoiled drawings where there is none; return the exit code."""
    page = page_of(folder)
    if page.exists():
        return 0
    first_look.spoil(folder / "raw", page.parent)
    words = (str(page.parent), "--resolution", str(first_look.RESOLUTION), "--quiet")
    code = _run("prep", "check", *words)
    return code if code not in (0, _PICTURES_FAILED) else _run("prep", "report", *words)


def _show(lora: Path) -> int:
    """Draw the sheet of a LoRA where there is none; return the exit code."""
    sheet = sheet_of(lora)
    prompts = [word for text in _SHOWN for word in ("--prompt", text)]
    if sheet.exists():
        return 0
    return _run("train", "sample", str(lora), *prompts, "--out", str(sheet), *_DRAWING)


def _compare(lora: Path) -> int:
    """Draw the grid of all saved steps where there is none; return the exit code."""
    if grid_of(lora).exists():
        return 0
    prompts = ("--prompt", f"{TRIGGER}, {{waving|jumping}}, full body, meadow", "--seed", "3")
    return _run("train", "grid", str(lora.parent), *prompts, *_DRAWING)


def _judge(lora: Path) -> int:
    """Draw with the trigger, with and without the LoRA, and let the tagger say what it sees."""
    judged = judged_of(lora)
    prompts, pictures = judged / "prompts.txt", judged / "pictures"
    if not (judged / "all.png").exists():
        judged.mkdir(exist_ok=True)
        prompts.write_text("\n".join([*prompts_to_judge(), ""]), encoding="utf-8")
        places = ("--out", str(judged / "all.png"), "--each", str(pictures))
        code = _run("train", "sample", str(lora), "--prompts", str(prompts), *places, *_DRAWING)
        if code:
            return code
    if all(path.with_suffix(".txt").exists() for path in pictures.glob("*.png")):
        return 0
    return _run("prep", "tag", str(pictures), "--model", "tiny", "--quiet")


def _run(*words: str) -> int:
    # -P: a folder or file named `prep` where the person stands is not the program.
    return subprocess.run([sys.executable, "-P", "-m", *words], check=False).returncode


def story(folder: Path, exports: Iterable[Path]) -> str:
    """Return what the demo made, in plain words: one paragraph a subject, where everything is."""
    loras = list(exports)
    return "\n".join(
        [
            "",
            *first_look.told(page_of(folder)),
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
            "The embedded models are small and know only this world of mascots. For your own",
            f"pictures name real ones in a `pipelines.yaml` as `{folder / 'pipelines.yaml'}`.",
            "",
            "Run the demo again: nothing is redone. Edit one .txt file and run it once more:",
            "your words stay, and only what depends on them is made again.",
            *(["", *_copying(loras[-1])] if loras else []),
        ]
    )


def _of_loras(loras: Sequence[Path]) -> list[str]:
    shown = [(lora, sheet_of(lora)) for lora in loras]
    judged = judged_of(loras[-1]) / "pictures"
    with_it, without = found_in(judged, "strength 1"), found_in(judged, "base model")
    return [
        "The LoRA, and a sheet with the base model beside it:",
        *(f"  {path}" for pair in shown for path in pair),
        "",
        "Two pages that open in any browser, from disk: the run (loss, pictures by step, what was",
        "hard and what was learnt at once), and a grid of its saved steps:",
        *(f"  {page}" for lora in loras for page in (lora.with_name("report.html"), grid_of(lora))),
        "",
        f"Asked for `{TRIGGER}` in some pose and place, and told nothing of its looks, the LoRA",
        f"draws the whole mascot in {with_it} of {_JUDGED} pictures, as the tagger sees them:",
        f"round, coral, sprout, scarf. The base model does in {without} of {_JUDGED}. All are in",
        f"  {judged}",
    ]


def _copying(lora: Path) -> list[str]:
    """Return where a LoRA goes in the programs that use it."""
    prompt = f"<lora:{lora.stem}:1> {TRIGGER}"
    return [
        f"To use such a LoRA, copy `{lora.name}` to",
        f"  AUTOMATIC1111 or Forge: models/Lora, and write {prompt} as the prompt",
        "  ComfyUI: models/loras, and choose it in a Load LoRA node",
        f'  diffusers: pipeline.load_lora_weights("{lora.name}")',
    ]


def _exports(folder: Path) -> list[Path]:
    """Return the LoRA files of the training runs, those saved on the way left out, newest last."""
    found = folder.glob("**/*.safetensors")
    outside = [
        path
        for path in found
        if not {".prep", "checkpoints"} & set(path.parts) and not _ON_THE_WAY.search(path.stem)
    ]
    return sorted(outside, key=lambda path: (path.stat().st_mtime_ns, path))
