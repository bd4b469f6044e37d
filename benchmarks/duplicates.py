"""What `prep duplicates` finds of planted copies, what it says of them, and of what are none.

`python -m benchmarks.duplicates --pictures FOLDER --out duplicates.json`; `--seed N` for the draw
of an earlier run. FOLDER may be what `apt-get download tuxpaint-stamps-default` and `dpkg -x`
unpack; scikit-image and ../shared are used where they are there, the rest is drawn.

copies    each of 400 pictures beside a changed one: found, and called what it is
others    proposals among the 79,800 pairs of different pictures
variants  expressions, costumes, other light, some of them recompressed, smaller or cut: proposals
flat      plain pictures of all colours, slopes and noise: proposals
time      of 5,000 pictures, beyond decoding them
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import planted
from benchmarks.planted import COPIES, STAMPS, Picture
from prep.likeness.appearance import SIDE, packed
from prep.likeness.proposals import proposals, proposed

MOST_WRONG, LEAST_NAMED, MOST_SECONDS = 20, 0.9, 60.0
_MANY = 5000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; return 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, action="append", help=f"default: {STAMPS}")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", default="copies,others,variants,flat,time")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    dice = random.Random(chosen.seed)
    print(f"seed {chosen.seed}, load {os.getloadavg()[0]:.1f}")
    found = planted.pictures(chosen.count, dice, chosen.pictures or [STAMPS])
    parts = {
        "copies": lambda: _copies(found, dice),
        "others": lambda: _others(found),
        "variants": lambda: _variants(found, dice),
        "flat": lambda: _flat(dice),
        "time": lambda: _time(found, dice),
    }
    table = {name: parts[name]() for name in chosen.only.split(",")}
    if chosen.out:
        chosen.out.write_text(json.dumps({"seed": chosen.seed, **table}, indent=1))
    return int(any(row["broken"] for row in table.values()))


def _rows(pictures: Sequence[Picture]) -> dict[str, Any]:
    samples = {f"{n:05}": (_kept(image), str(n), None) for n, image in enumerate(pictures)}
    return proposals(samples)


def _kept(image: Picture) -> bytes:
    copy = image.copy()
    copy.thumbnail((SIDE, SIDE))
    return packed(copy, image.size)


def _copies(found: list[Picture], dice: random.Random) -> dict[str, Any]:
    """Return of each change how many copies are found, and how many are called what they are."""
    table: dict[str, Any] = {"broken": False}
    num = len(found)
    for name, (change, called, least) in COPIES.items():
        rows = _rows([*found, *(change(image, dice) for image in found)])
        kinds: Counter[str] = Counter()
        for n in range(num):
            one, other = f"{n:05}", f"{n + num:05}"
            pairs = ((rows[one], other), (rows[other], one))
            row = next((row for row, key in pairs if row and row["key"] == key), None)
            kinds[", ".join(row["kinds"]) if row else "nothing"] += 1
        hits = num - kinds["nothing"] - kinds["variant"]
        named = kinds[called] / max(1, hits)
        print(f"{name:<14}{hits / num:.3f} found, {named:.3f} called {called}: {kinds}", flush=True)
        table[name] = {"found": hits / num, "named": named, "kinds": kinds}
        table["broken"] |= hits < least * num or named < LEAST_NAMED
    return table


def _others(found: list[Picture]) -> dict[str, Any]:
    """Return how many different pictures are proposed as repeating another one."""
    rows = _rows(found)
    wrong = {key: proposed(row) for key, row in rows.items() if proposed(row)}
    told = sum(row is not None for row in rows.values()) - len(wrong)
    pairs = len(found) * (len(found) - 1) // 2
    print(f"others        {len(wrong)} wrong of {pairs} pairs, {told} called variants: {wrong}")
    return {"wrong": wrong, "variants": told, "broken": len(wrong) > MOST_WRONG}


def _variants(found: list[Picture], dice: random.Random) -> dict[str, Any]:
    """Return how many variants of one picture are proposed: none should be."""
    pairs, wrong, told = Counter[str](), Counter[str](), Counter[str]()
    for name, one, other in planted.variants(found, dice):
        row = _rows([one, other])["00001"] or _rows([one, other])["00000"]
        pairs[name] += 1
        told[name] += row is not None
        wrong[name] += bool(proposed(row))
    for name, count in pairs.items():
        print(f"{name:<14}{wrong[name]} of {count} proposed, {told[name]} called variants")
    return {"pairs": pairs, "wrong": wrong, "told": told, "broken": wrong.total() > 0}


def _flat(dice: random.Random) -> dict[str, Any]:
    wrong = sum(row is not None for row in _rows(planted.flat(dice)).values())
    print(f"flat          {wrong} of 10 match another")
    return {"wrong": wrong, "broken": wrong > 0}


def _time(found: list[Picture], dice: random.Random) -> dict[str, Any]:
    """Return how long 5,000 pictures take, a hundredth of them copies, beyond decoding them."""
    parts = [planted.crop(dice.uniform(0.3, 0.6))(dice.choice(found), dice) for _ in range(_MANY)]
    for n in range(0, _MANY, 100):
        parts[n] = planted.half(parts[n + 1], dice)
    copies = [image.resize((SIDE, round(SIDE * image.height / image.width)) if max(image.size)
                           == image.width else (round(SIDE * image.width / image.height), SIDE))
              for image in parts]  # fmt: skip
    begin, cpu = time.perf_counter(), time.process_time()
    data = [packed(copy, image.size) for copy, image in zip(copies, parts, strict=True)]
    kept = time.perf_counter() - begin
    rows = proposals({f"{n:05}": (each, str(n), None) for n, each in enumerate(data)})
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    repeats = sum(bool(proposed(row)) for row in rows.values())
    size = sum(map(len, data)) / len(data) / 1024
    print(
        f"time          {took:.1f} s for {_MANY}: {kept:.1f} s to keep, the rest to compare; "
        f"{cpu:.1f} s of CPU"
    )
    print(f"              {repeats} proposed, {size:.1f} KiB each, load {os.getloadavg()[0]:.1f}")
    return {
        "seconds": took,
        "cpu": cpu,
        "kept": kept,
        "load": os.getloadavg(),
        "broken": took > MOST_SECONDS,
    }


if __name__ == "__main__":
    sys.exit(main())
