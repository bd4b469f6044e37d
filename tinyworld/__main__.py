"""`python -m tinyworld demo|draw|make [FOLDER]`."""

import argparse
import sys
from pathlib import Path

from tinyworld.demo import demo
from tinyworld.pictures import write_pictures


def main(arguments: list[str] | None = None) -> int:
    """Run one of the three commands; return the exit code."""
    parser = argparse.ArgumentParser(prog="tinyworld", description="A tiny world, drawn by code.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("demo", help="draw pictures, prepare them and train a LoRA on them")
    add.add_argument("folder", nargs="?", type=Path, default=Path("demo"))
    add = commands.add_parser("draw", help="draw the demo's pictures into a folder")
    add.add_argument("folder", type=Path)
    add = commands.add_parser("make", help="make the stand-in models again (needs `onnx`)")
    add.add_argument("folder", type=Path)
    chosen = parser.parse_args(arguments)
    return {"demo": demo, "draw": _draw, "make": _make}[chosen.command](chosen.folder)


def _draw(folder: Path) -> int:
    written = write_pictures(folder)
    print(f"{len(written)} pictures drawn into {folder}")
    return 0


def _make(folder: Path) -> int:
    from tinyworld.make import make_models  # torch and more; the demo does without

    for made in make_models(folder):
        print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
