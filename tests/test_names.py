"""A thing is found by its name: no two modules and no two public classes share one."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("prep", "tagger_models", "tinyworld", "train")
# A command and a stage are named as a person types them, in a room of their own.
TYPED = ("prep/commands", "prep/stages")
SHARED = ("__init__", "__main__", "app", "config")


def files(*packages: str) -> Iterator[Path]:
    """Yield the Python files of some packages, relative to the project."""
    for package in packages:
        yield from sorted(path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))


def twice(named: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the names that stand for more than one thing, with the places."""
    return {name: places for name, places in named.items() if len(places) > 1}


def test_no_two_modules_share_a_name() -> None:
    """Each file's name is its own."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in files(*PACKAGES):
        if path.stem not in SHARED and path.parent.as_posix() not in TYPED:
            found[path.stem].append(path.as_posix())

    assert twice(found) == {}


def test_no_two_public_classes_share_a_name() -> None:
    """A class is found by its name alone; the Params of a stage are its file's own."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in files(*PACKAGES):
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path.as_posix())
    if stages := found.pop("Params", []):
        assert all(place.startswith("prep/stages/") for place in stages)

    assert twice(found) == {}
