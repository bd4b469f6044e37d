"""The report of many pictures: how long it takes, how large it is, how soon it can be used.

Pictures are drawn fresh each time from the photographs of ../shared. Usage, from the project:
`python -m benchmarks.report [--pictures 5000]`; it wants Chromium.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.chromium import Chromium, browsing

PHOTOS = Path("../shared/data/photos")
SIZES = ((384, 512), (512, 384), (448, 448), (320, 576), (640, 360))
MOST_BYTES, MOST_SECONDS = 20_000_000, 3.0
WORDS = [f"tag {number}" for number in range(2000)]


def drawn(folder: Path, count: int, dice: random.Random) -> None:
    """Write pictures, each a part of a photograph under clouds, with about 25 tags each."""
    photos = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.rglob("*.jpg"))]
    weights = [1 / (place + 3) for place in range(len(WORDS))]
    for number in range(count):
        size = dice.choice(SIZES)
        one, other = part(dice.choice(photos), size, dice), clouds(size, dice)
        name = f"{number % 40:02}_set/{number:05}.jpg"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.blend(one, other, dice.uniform(0.4, 0.6)).save(path, quality=85)
        tags = dict.fromkeys(dice.choices(WORDS, weights, k=30))
        path.with_suffix(".txt").write_text(", ".join(tags))


def part(photo: Image.Image, size: tuple[int, int], dice: random.Random) -> Image.Image:
    """Return a random part of a photograph, mirrored or not."""
    share = dice.uniform(0.4, 1.0)
    wide, high = int(photo.width * share), int(photo.height * share)
    left, top = dice.randint(0, photo.width - wide), dice.randint(0, photo.height - high)
    cut = photo.resize(size, box=(left, top, left + wide, top + high))
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if dice.random() < 0.5 else cut


def clouds(size: tuple[int, int], dice: random.Random) -> Image.Image:
    """Return colours that run into each other: no two pictures of them are alike."""
    small = Image.frombytes("RGB", (7, 7), dice.randbytes(7 * 7 * 3))
    return small.resize(size, Image.Resampling.BICUBIC)


def ready(browser: Chromium, page: Path) -> float:
    """Return the seconds from opening a page to a picture that has answered a key."""
    began = time.monotonic()
    browser.open(page, 1440)
    browser.run("tiles.get(active).focus()")
    browser.press("ArrowRight")
    assert browser.run("active === order[1]")
    return time.monotonic() - began


def main() -> int:
    """Draw, report, look; return 1 where a promise is not held."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=5000)
    count = parser.parse_args().pictures
    seed = random.SystemRandom().randrange(1 << 32)
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "pictures"
        drawn(folder, count, random.Random(seed))
        for what in ("first report", "report again", "one text changed"):
            if what == "one text changed":
                next(folder.rglob("*.txt")).write_text("changed")
            began = time.monotonic()
            words = [sys.executable, "-P", "-m", "prep", "report", str(folder), "-q"]
            subprocess.run(words, check=True)
            print(f"{what}: {time.monotonic() - began:.1f} s")
        page = folder / "report.html"
        size = page.stat().st_size
        with browsing(Path(top) / "profile") as browser:
            browser.open(page, 1440)
            seconds = sorted(ready(browser, page) for _ in range(5))
            print(
                f"{count} pictures, seed {seed}: {size / 1e6:.1f} MB, can be used after"
                f" {seconds[2]:.2f} s ({seconds[0]:.2f} to {seconds[-1]:.2f})"
            )
            scroll = "scrollTo(0, document.body.scrollHeight / 2); draw(); tiles.size"
            print(
                f"{browser.run(scroll)} of them in the page at a time; console: {browser.said},"
                f" requests: {browser.asked}"
            )
            good = not browser.said and not browser.asked
    return 0 if good and size < MOST_BYTES and seconds[2] < MOST_SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
