"""What a file that is not a picture is, and what prep does with it."""

import os
from collections.abc import Iterator
from pathlib import Path

from prep.dataset.file_names import SUFFIXES
from prep.engine.inventory import other_files, scan, walk
from prep.engine.inventory.inventory import INHERITED
from prep.engine.session import Session
from prep.images import formats
from prep.runtime.keys import nfc

_KINDS = {
    "link": "a link: links are not followed; copy the file itself into the folder",
    "linked folder": "a linked folder: links are not followed; copy it into the folder",
    "special": "a pipe, socket or device: it is passed over",
}
_PASSED = "skipped because of its name: other programs leave such files behind"


def of_file(session: Session, name: str) -> list[str]:
    """Return what a file is, and what is done with it, a line each; nothing where there is none.

    Args:
        name: Its path in the folder, or from where the person stands.
    """
    for file in (session.inventory.location.root / name, Path(name)):
        if os.path.lexists(file):
            return list(_describe(session, file))
    return []


def _describe(session: Session, file: Path) -> Iterator[str]:
    location = session.inventory.location
    if file.absolute().is_relative_to(location.state.absolute()) and not _is_view(session, file):
        yield "prep's own memory of the folder; do not edit it"
        return
    name = nfc(location.name(file))
    if file.suffix.lower() in session.inventory.declared.texts:
        yield from _of_text(session, name)
    elif said := _of_ours(session, name, file):
        yield said
    elif Path(name).parts[:1] == ("..",):
        return
    elif any(walk.is_litter(part) for part in Path(name).parts):
        yield _PASSED
    elif file.is_dir() and not file.is_symlink():
        yield "a folder: name a file in it"
    elif any(walk.is_run(file.parents[n]) for n in range(len(Path(name).parts))):
        yield "it lies in the folder of a training run, which is passed over"
    else:
        yield from _of_other(session.inventory.folder.others.get(name) or _kind(file))


def _is_view(session: Session, file: Path) -> bool:
    views = session.inventory.location.views
    return views is not None and file.absolute().is_relative_to(views.absolute())


def _of_text(session: Session, name: str) -> Iterator[str]:
    """Yield whose text a file is, and what of it is used."""
    inventory, location = session.inventory, session.inventory.location
    folder = inventory.folder
    if session.job.source is not None:  # its texts were not looked at
        suffixes, texts = tuple(location.sidecars), inventory.declared.texts
        folder = scan.scan(location.root, suffixes, location.state, texts)
    if name in folder.unowned:
        advice = folder.unowned[name]
        yield f"a text that belongs to no picture and is not used{f': {advice}' if advice else ''}"
        return
    spelled = {nfc(disk): own for own, disk in folder.sidecars.items()}
    own = spelled.get(name, name)
    bare, suffix = os.path.splitext(own)
    for key in sorted(key for key in folder.pictures if scan.stem(key) == bare):
        yield f"a text of `{key}`: {_use(session, key, location.sidecars.get(suffix, ''))}"


def _use(session: Session, key: str, field: str) -> str:
    """Return what is made of a text of a picture."""
    if session.job.source is not None:
        return "pictures that are made of this one inherit it"
    if key in session.inventory.clashing or key in session.inventory.faulty:
        return "it is not used; `prep why` of the picture says why"
    edit = session.written.edits.get((key, field))
    if edit is not None and edit.source != INHERITED:
        return f"yours, used as its {field}; `prep why` of the picture shows what trains"
    return f"prep writes it, and you may edit it: then it is used as its {field}"


def _of_ours(session: Session, name: str, file: Path) -> str:
    """Return what a file of ours is; empty for any other."""
    shown = os.path.relpath(file)
    base = name.rpartition("/")[2]
    inventory = session.inventory
    if base in inventory.declared.files:
        return inventory.declared.files[base].format(path=shown)
    if name in session.written.outputs and file.suffix in SUFFIXES:
        return "a dataset file that prep wrote of this folder: the next run reads your edits in it"
    if name in session.written.outputs:
        return "prep wrote it"
    if inventory.declared.is_ours(name):
        return (
            "named like a dataset file; prep did not write it for this folder and leaves it alone"
        )
    return ""


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    return "link" if file.is_symlink() else other_files.kind_of_suffix(suffix)


def _of_other(kind: str) -> Iterator[str]:
    """Yield what becomes of a file that is neither a picture nor a text nor ours."""
    if kind in _KINDS:
        yield _KINDS[kind]
        return
    what = "a file without suffix" if kind == "no suffix" else f"a {kind} file"
    yield f"{what}, not a picture that can be read: counted with the other files and left alone"
    if package := formats.package_for(kind):
        yield f"it holds {formats.meant_by(kind)}: `pip install {package}` reads it"
