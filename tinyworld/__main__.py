"""`python -m tinyworld demo|draw|train`."""

import argparse
import importlib
import sys
from pathlib import Path

from tinyworld.demo import demo
from tinyworld.pictures import write_pictures

# What can be trained, and the module that does it.
PARTS = {
    "tagger": "tiny_tagger",
    "judge": "judge",
    "captioner": "tiny_captioner",
    "base": "base",
    "detector": "tiny_detector",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one of the three commands; return the exit code."""
    parser = argparse.ArgumentParser(prog="tinyworld", description="A tiny world, drawn by code.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("demo", help="draw pictures, prepare them and train a LoRA on them")
    add.add_argument("folder", nargs="?", type=Path, default=Path("demo"))
    add = commands.add_parser("draw", help="draw the demo's pictures into a folder")
    add.add_argument("folder", type=Path)
    add = commands.add_parser("train", help="train the small models again, from nothing")
    add.add_argument("part", choices=tuple(PARTS))
    add.add_argument("folder", type=Path, help="where the models go, each into its own folder")
    add.add_argument("--work", type=Path, default=Path("tinyworld-work"), help="kept between runs")
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    chosen = parser.parse_args(arguments)
    if chosen.command == "demo":
        return demo(chosen.folder)
    if chosen.command == "draw":
        return _draw(chosen.folder)
    return _train(chosen.part, chosen.folder, chosen.work, chosen.device)


def _draw(folder: Path) -> int:
    written = write_pictures(folder)
    print(f"{len(written)} pictures drawn into {folder}")
    return 0


def _train(part: str, folder: Path, work: Path, device: str) -> int:
    training = importlib.import_module(f"tinyworld.training.{PARTS[part]}")
    (folder / part).mkdir(parents=True, exist_ok=True)
    getattr(training, f"train_{part}")(work, folder / part, device)
    print(folder / part)
    return 0


if __name__ == "__main__":
    sys.exit(main())
