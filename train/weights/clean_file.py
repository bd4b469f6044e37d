"""`train clean`: what is wrong with a file of weights is left out or put right, in a new file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.weights import findings, mended_metadata
from train.weights.contents import ADAPTER, EMBEDDING, HYPERNETWORK
from train.weights.findings import Fault, Inspection, inspection, told_size
from train.weights.new_file import NewFile, NewTensor, check_target, write
from train.weights.number_words import FLOATS, PRECISIONS
from train.weights.web_hashes import HASHES
from train.weights.weight_source import WeightSource, opened

_PICKLED = "string_to_param."  # AUTOMATIC1111's name of the vectors in a pickle
CLEANED = "prep_cleaned"  # metadata: JSON list of what was done
_DROPPED = (findings.LEFT, findings.DEAD, findings.TORN, findings.TWICE, findings.FOREIGN)


def clean_file(
    place: Path, console: Console, *, out: Path | None, precision: str | None, drop_broken: bool
) -> int:
    """Write the cleaned file, and tell what was done; nothing is written where nothing is to do.

    Args:
        out: By default beside the file, with `-clean` behind its name.
        precision: fp32, fp16 or bf16; None keeps what numbers are.
        drop_broken: Leave modules of an adapter out that hold NaN or infinite numbers.

    Returns:
        0, or 3 where something stays wrong.

    Raises:
        ModelFileError: The file cannot be opened, or nothing of it would be left.
        ConfigError: `out` cannot be, or a number is too large for the precision.
        MachineError: As `write`.
    """
    source = opened(place)
    _check_kind(source)
    found = inspection(source)
    target = out or source.place.with_name(f"{source.place.stem}-clean.safetensors")
    check_target(target, source.place)
    if found.what.kind == HYPERNETWORK:
        raise ModelFileError(
            f"`{place}` is a hypernetwork, and programs read those as they are",
            "`train inspect` tells what is in it",
        )
    dropped = _dropped(found, drop_broken)
    new, done = _planned(found, dropped, precision)
    kept = [one for one in found.findings if _stays(one, found, drop_broken)]
    for one in kept:
        console.note(f"still wrong: {one.told}{_advice(one, found)}")
    code = 3 if kept else 0
    if not done:
        console.say(f"nothing to do for `{source.place}`: nothing is written", done=[])
        return code
    write(target, new)
    size = f"{told_size(new.size())} of tensors, {told_size(_size(source))} before"
    console.say(*done, f"written: {target}: {size}", out=str(target), done=done)
    return code


def _check_kind(source: WeightSource) -> None:
    if source.is_folder:
        raise ModelFileError(
            f"`{source.place}` is a folder", "clean the files of its parts one by one"
        )


def _dropped(found: Inspection, drop_broken: bool) -> dict[str, tuple[str, ...]]:
    """Return why tensors are left out -> their names."""
    each = {one.told: one.names for one in found.findings if one.kind in _DROPPED}
    broken = set(found.of(findings.BROKEN))
    if drop_broken and broken and found.what.kind == ADAPTER:
        words = [w for w, one in found.what.modules.items() if broken & {*one.roles.values()}]
        names = tuple(n for w in words for n in found.what.modules[w].roles.values())
        each[f"{counted(len(words), 'module')} with NaN or infinite numbers"] = names
    left = found.source.tensors.keys() - {name for names in each.values() for name in names}
    if not left:
        raise ModelFileError(
            f"nothing of `{found.source.place}` would be left",
            "`train inspect` tells what is wrong; take another export, or fetch the file again",
        )
    return each


def _planned(
    found: Inspection, dropped: Mapping[str, tuple[str, ...]], precision: str | None
) -> tuple[NewFile, list[str]]:
    """Return the new file, and a line for each thing that is done."""
    source = found.source
    gone = {name for names in dropped.values() for name in names}
    left = {w: one for w, one in found.what.modules.items() if not gone & {*one.roles.values()}}
    what = replace(found.what, modules=left)
    counts = set(found.of(findings.COUNTS))
    tensors = {
        name: NewTensor(name, _dtype(source, name, precision), counts=name in counts)
        for name in source.tensors
        if name not in gone
    }
    for name in counts & tensors.keys():
        tensors[name] = NewTensor(name, "I64", counts=True)
    tensors = _named(found, tensors)
    done = [f"dropped: {told}" for told in dropped]
    done += [f"put right: {one.told}" for one in found.findings if one.kind == findings.COUNTS]
    rounded = [
        one for one in tensors.values() if not one.counts and one.dtype != _own(source, one.name)
    ]
    done += [f"saved in {precision}: {counted(len(rounded), 'tensor')}"] if rounded else []
    done += ["no pickle any more"] if source.is_pickle else []
    said = mended_metadata.mended(
        source, what, base_is_wrong=any(one.kind == findings.BASE for one in found.findings)
    )
    hashed = what.kind in (ADAPTER, EMBEDDING)
    done += list(_said(found, said, hashed, bool(done)))
    if done:
        said[CLEANED] = json.dumps(done, ensure_ascii=False)
    return NewFile(source, tensors, said, hashed), done


def _named(found: Inspection, tensors: dict[str, NewTensor]) -> dict[str, NewTensor]:
    """Return the vectors of an embedding that was a pickle by the name that `.safetensors` have."""
    vectors = [name for name in tensors if name.startswith(_PICKLED)]
    others = len(tensors) - len(vectors)
    if found.what.kind != EMBEDDING or len(vectors) != 1 or others:
        return tensors
    return {"emb_params": tensors[vectors[0]]}


def _said(found: Inspection, said: Mapping[str, str], hashed: bool, written: bool) -> Iterator[str]:
    """Yield what is done to the metadata.

    Args:
        written: Whether the file is written anyway, with hashes of its own.
    """
    fields = mended_metadata.fields_changed(found.source, said)
    has = found.source.metadata.keys()
    wrong = any(one.kind == findings.DIGEST for one in found.findings)
    if hashed and (wrong or written or not has >= {*HASHES}):
        fields += HASHES
    if fields:
        yield f"metadata: {', '.join(fields)}"


def _own(source: WeightSource, name: str) -> str:
    return source.tensors[name].dtype


def _dtype(source: WeightSource, name: str, precision: str | None) -> str:
    """Return the kind of numbers that a tensor gets; what says how strongly it acts stays exact."""
    at = source.tensors[name]
    if precision is None or at.dtype not in FLOATS or source.count(name) < 2:
        return at.dtype
    return PRECISIONS[precision]


def _stays(one: Fault, found: Inspection, drop_broken: bool) -> bool:
    if one.kind == findings.BROKEN:
        return not (drop_broken and found.what.kind == ADAPTER)
    return one.kind == findings.PACKED


def _advice(one: Fault, found: Inspection) -> str:
    if one.kind != findings.BROKEN:
        return ""
    if found.what.kind == ADAPTER:
        return f", the first `{one.names[0]}`: `--drop-broken` leaves their modules out"
    return f", the first `{one.names[0]}`: fetch the file again"


def _size(source: WeightSource) -> int:
    return sum(map(source.size, source.tensors))
