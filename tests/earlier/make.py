"""Make a folder as an earlier version leaves it: `python tests/earlier/make.py CHECKOUT FILE`.

CHECKOUT is a checkout of that version, FILE the archive to write (`.tar.xz`). Its packages have to
run under this Python. In the folder are words of a person in every place: a text beside a picture,
an edit of many pictures that can be taken back, a sheet that was edited and not imported yet; a
run of prep that was killed between two files, and a training that was killed between two steps.
"""

import csv
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from PIL import Image

PIPELINES = """\
pipelines:
  small:
    images: ./images
    meta: ./meta.json
    stages:
      - caption: {model: tiny}
      - tag: {model: tiny}
      - edit: {trigger: mascot}
      - bucket: {resolution: 128, step: 32}
      - latents: {model: tiny}
"""
TRAINING = ("lora", "meta_lat.json", "--base", "tiny", "--rank", "1", "--steps", "6",
            "--save-every-steps", "2")  # fmt: skip
# Runs a program's command, and kills it when it is about to give a file the name KILL.
PROGRAM = """
import os, pathlib, signal, sys
rename = pathlib.Path.replace
def replace(self, target):
    if pathlib.Path(target).name == os.environ["KILL"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
name = sys.argv.pop(1)
main = __import__(f"{name}.__main__", fromlist=["main"]).main
sys.argv[0] = name
main()
"""


def picture(number: int) -> Image.Image:
    """Return a small picture whose colours only its number has."""
    colours = [(40 * number, 255 - 30 * number, 90), (200, 25 * number, 255 - 40 * number)]
    image = Image.new("RGB", (128, 96), colours[0])
    image.paste(colours[1], (20 + 9 * number, 12, 80 + 9 * number, 80))
    return image


def typed(checkout: Path, *words: str, kill: str = "") -> None:
    """Run a command of the version; kill it when it is about to give a file this name."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout), "KILL": kill, "XDG_DATA_HOME": str(Path("home").resolve()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *words], env=environment, check=False
    )
    wanted = (-signal.SIGKILL,) if kill else (0, 3)
    if ended.returncode not in wanted:
        raise SystemExit(f"{' '.join(words)}: {ended.returncode}")


def prepared(checkout: Path) -> None:
    """Fill the folder where the process stands."""
    Path("images").mkdir()
    for number in range(5):
        picture(number).save(f"images/{number}.png")
    Path("images/0.txt").write_text("my own tag, blue sky\n")
    Path("pipelines.yaml").write_text(PIPELINES)
    typed(checkout, "prep", "run")
    typed(checkout, "prep", "edit", "images", "--add", "added by me")
    Path("images/1.txt").write_bytes(b"\xef\xbb\xbfa girl,  with two spaces\r\n")
    typed(checkout, "prep", "run")
    typed(checkout, "train", *TRAINING, kill="step-00000004")
    typed(checkout, "prep", "review", "export", "images")
    with Path("images/tags.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[2]["notes"] = "a note of mine"
    with Path("images/tags.csv").open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.DictWriter(file, rows[0])
        sheet.writeheader()
        sheet.writerows(rows)
    picture(5).save("images/5.png")
    typed(checkout, "prep", "run", kill="5.txt")


def main() -> None:
    """Write the archive."""
    checkout, file = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepared(checkout)
        with tarfile.open(file, "w:xz", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(path.name for path in Path().iterdir()):
                archive.add(name)


if __name__ == "__main__":
    main()
