"""How the dataset files of a chain are called: `meta.json`, `meta_bucket.json`, `meta_lat.json`."""

from pathlib import Path

from prep.runtime import keys

LINKS = ("", "_bucket", "_lat")
HEAD = "meta.json"  # what the first file is called unless a person names another one
SUFFIXES = (".json", ".jsonl")


def fault_of_head(path: Path) -> str:
    """Return why a path cannot be that of a dataset file, as `holds a backslash`; "" if it can."""
    if path.suffix not in SUFFIXES:
        return "does not end in .json or .jsonl"
    return keys.fault_of_new(path.name)


def head_of(path: Path) -> Path:
    """Return the first file of the chain that `path` belongs to."""
    for link in LINKS[1:]:
        if path.stem.endswith(link):
            return path.with_name(path.stem.removesuffix(link) + path.suffix)
    return path


def is_usual(name: str) -> bool:
    """Return whether a file is named like one of a chain that begins with meta.json."""
    return name.startswith(Path(HEAD).stem) and name.endswith(SUFFIXES)


def link_of(head: Path, link: str) -> Path:
    """Return a file of the chain: `_bucket` -> X_bucket.json."""
    return head.with_name(head.stem + link + head.suffix)


def link_before(link: str | None) -> str | None:
    """Return the link of the chain before another one; None for the first, and for no link."""
    return LINKS[LINKS.index(link) - 1] if link in LINKS[1:] else None
