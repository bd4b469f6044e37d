"""Draw the rooms of the house from their imports: the generated part of docs/architecture.md.

`python -m tests.architecture` writes it anew.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn from the imports -->\n", "<!-- end of the drawing -->\n"
WHOLE = ("tagger_models", "tinyworld")  # drawn as one room each

Arrows = Mapping[str, frozenset[str]]


def main() -> None:
    """Write the page's drawing anew."""
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8"), ROOT), encoding="utf-8")


def drawn(page: str, root: Path) -> str:
    """Return the page with the drawing of the code under `root` between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    arrows = arrows_of(root)
    picture = "\n".join(_picture(reduced(arrows)))
    table = "\n".join(_table(arrows, root))
    return f"{before}{BEGIN}{picture}\n\n{table}\n{END}{after}"


def arrows_of(root: Path) -> Arrows:
    """Return room -> the rooms that its files import, in the order of their names."""
    files = {_module(path, root): path for path in _files(root)}
    found: dict[str, set[str]] = {room(name): set() for name in files if _is_drawn(name)}
    for name, path in files.items():
        if _is_drawn(name):
            targets = {room(target) for target in _imported(path, files) if _is_drawn(target)}
            found[room(name)] |= targets - {room(name)}
    return {name: frozenset(found[name]) for name in sorted(found)}


def reduced(arrows: Arrows) -> Arrows:
    """Return the arrows without those that a longer way shows; the rooms have no circle."""
    reach: dict[str, frozenset[str]] = {}

    def reached(name: str) -> frozenset[str]:
        if name not in reach:
            below = arrows[name]
            reach[name] = below.union(*(reached(each) for each in below))
        return reach[name]

    return {
        name: frozenset(
            each
            for each in below
            if not any(each in reached(other) for other in below if other != each)
        )
        for name, below in arrows.items()
    }


def room(module: str) -> str:
    """Return the room of a module: `prep.images` of prep.images.bands, and so on."""
    first, *rest = module.split(".")
    return first if first in WHOLE or not rest else f"{first}.{rest[0]}"


def _is_drawn(module: str) -> bool:
    return module not in ("prep", "train")  # their docstring alone


def _picture(arrows: Arrows) -> Iterator[str]:
    yield "```mermaid"
    yield "flowchart TD"
    for name, below in arrows.items():
        for each in sorted(below):
            yield f"  {name} --> {each}"
    yield "```"


def _table(arrows: Arrows, root: Path) -> Iterator[str]:
    yield "| room | what it is | it imports |"
    yield "|---|---|---|"
    for name, below in arrows.items():
        place = root / name.replace(".", "/")
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        words = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")
        yield f"| `{name}` | {words[0]} | {', '.join(sorted(below))} |"


def _files(root: Path) -> list[Path]:
    return sorted(path for top in ("prep", "train", *WHOLE) for path in (root / top).rglob("*.py"))


def _module(path: Path, root: Path) -> str:
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _imported(path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                name = whole if whole in files else node.module
                if name in files:
                    yield name


if __name__ == "__main__":
    main()
