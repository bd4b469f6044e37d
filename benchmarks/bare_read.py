"""What no program that looks at a whole dataset can do without: the measure of `scale`.

`python -m benchmarks.bare_read FOLDER`: names and stats of all files, the dataset files parsed,
the ledger's rows read. Nothing is compared, nothing is decided.
"""

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

# Results by content and by digest are looked up one by one, where something is to be made.
_NOT_READ = ("past", "bodies")


def main(folder: Path) -> int:
    """Read everything once; return 0."""
    stats = dict(walked(str(folder / "images")))
    parsed = [json.loads(path.read_bytes()) for path in sorted(folder.glob("meta*.json"))]
    rows = ledger(folder / "images" / ".prep" / "ledger.sqlite")
    counts = f"{len(stats)} files, {len(parsed)} dataset files"
    sys.stdout.write(f"{counts}, {sum(map(len, rows.values()))} rows\n")
    return 0


def walked(top: str) -> Any:
    """Yield path and stat of every file."""
    with os.scandir(top) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from walked(entry.path)
            else:
                yield entry.path, entry.stat(follow_symlinks=False)


def ledger(path: Path) -> dict[str, list[Any]]:
    """Return table -> rows of all tables that are read whole."""
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    names = [name for (name,) in database.execute(query) if name not in _NOT_READ]
    found = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608
    database.close()
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
