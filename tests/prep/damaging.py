"""Ways to damage or lose prep's memory of a small project, and what it has to look like later."""

import json
import random
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from prep.engine.state.database import snapshot
from prep.runtime.errors import UserError
from tests.prep import killing

WORDS = {"images/beach 2.png@crop.txt": "a person's, words"}


def new_project(folder: Path, pipelines: str) -> Path:
    """Return a project that ran, was edited by a person in three places, and ran again."""
    killing.new_project(folder, pipelines)
    assert killing.main(folder) == 0
    images = next(folder.rglob("meta.json")).parent / "images"
    text = next(iter(sorted(images.glob("*.txt"))))
    text.write_text("a person's, words\n")
    weigh(folder / "meta.json", 2.0)
    assert killing.main(folder) == 0
    assert killing.main(folder) == 0
    return folder


def weigh(meta: Path, weight: float) -> None:
    """Type another weight for the last picture into a dataset file."""
    found = json.loads(meta.read_text())
    found["samples"][sorted(found["samples"])[-1]]["weight"] = weight
    meta.write_text(json.dumps(found))


def people(folder: Path) -> dict[tuple[str, str, str], object]:
    """Return all that the ledgers of a project call a person's."""
    found = {}
    for state in sorted(folder.rglob(".prep")):
        ledger = snapshot(state)
        name = state.relative_to(folder).as_posix()
        found |= {(name, *at): edit.value for at, edit in ledger.edits().items()}
        ledger.close()
    return found


def two_runs_later(clean: Path, folder: Path) -> str:
    """Run twice; return what differs from a project that nothing happened to, or nothing."""
    codes = []
    for _ in range(2):
        try:
            codes.append(killing.main(folder))
        except UserError as error:
            codes.append(f"{error} / {error.hint}")
    set_aside = ("ledger.", "journal.")
    one, other = killing.tree(clean), killing.tree(folder)
    wrong = [
        name
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name) and not Path(name).name.startswith(set_aside)
    ]
    if people(clean) != people(folder):
        wrong.append(f"people: {people(clean)} {people(folder)}")
    return f"{codes}, {wrong}" if wrong or codes[1] != 0 else ""


def damaged(folder: Path, chance: random.Random) -> str:
    """Overwrite a place of one of the ledgers or journals; return what was done."""
    files = sorted(folder.rglob("ledger.sqlite*")) + sorted(folder.rglob("journal.jsonl"))
    files = [file for file in files if file.stat().st_size]
    file = chance.choices(files, [4 if "ledger" in file.name else 1 for file in files])[0]
    data = bytearray(file.read_bytes())
    at, kind = chance.randrange(len(data)), chance.choice(("random", "random", "bit", "zeros"))
    if kind == "bit":
        data[at] ^= 1 << chance.randrange(8)
    else:
        some = chance.randbytes(64) if kind == "random" else bytes(64)
        data[at : at + 64] = some[: len(data) - at]
    file.write_bytes(data)
    return f"{kind} at {at} of {file.relative_to(folder)}"


def killed_run(folder: Path, chance: random.Random) -> None:
    """Kill a run that has something to do, in the middle; then put things back as they were."""
    file = folder / "pipelines.yaml"
    text = file.read_text()
    file.write_text(text.replace("mascot", "hero"))
    stage = chance.choice(("edit", "meta", "bucket"))
    killing.killed(folder, f"end {stage}", 1, chance.uniform(0, 0.05))
    file.write_text(text)


def deleted(folder: Path, chance: random.Random, *, during: bool) -> str:
    """Delete all or one of the `.prep` folders, between runs or during one that has to do."""
    states = sorted(folder.rglob(".prep"))
    gone = states if chance.random() < 0.5 else [chance.choice(states)]
    names = [state.relative_to(folder).as_posix() for state in gone]
    if not during:
        for state in gone:
            shutil.rmtree(state)
        return f"deleted {names}"
    delay = chance.uniform(0, 2.5)
    meanwhile = threading.Thread(target=_delete_after, args=(gone, delay))
    for name in ("meta_bucket.json", "meta_lat.json"):  # something to do
        (folder / name).unlink(missing_ok=True)
    for latents in folder.rglob(".prep/latents/*/*"):
        latents.unlink()
    meanwhile.start()
    with suppress(UserError):
        killing.main(folder)
    meanwhile.join()
    return f"deleted {names} {delay:.2f} s into a run"


def _delete_after(gone: list[Path], delay: float) -> None:
    time.sleep(delay)
    for state in gone:
        shutil.rmtree(state, ignore_errors=True)
