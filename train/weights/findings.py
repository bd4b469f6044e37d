"""What is wrong with a file of weights: what `train inspect` tells and `train clean` mends."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from prep.models import safetensors_file
from prep.runtime.counts import counted
from train.families import file_marks
from train.weights import same_modules
from train.weights.adapter_family import by_metadata
from train.weights.contents import (
    ADAPTER,
    EMBEDDING,
    MODEL,
    Contents,
    contents,
    shown_family,
)
from train.weights.leftovers import leftovers, positions
from train.weights.module_norms import norm_of
from train.weights.number_checks import TensorNumbers, numbers_of
from train.weights.number_words import FLOATS, is_number
from train.weights.tensor_names import ALPHA, MAGNITUDE, AdaptedModule
from train.weights.weight_source import WeightSource

BROKEN, DEAD, TWICE, TORN, FOREIGN = "broken", "dead", "twice", "torn", "foreign"
LEFT, COUNTS, PACKED, DIGEST, BASE = "leftover", "positions", "packed", "digest", "base"

# What changes a weight though its pair is zeros: lengths, other factors, biases.
_CHANGING = {MAGNITUDE, "rescale", "diff_b", "b_norm"}
_COUNTED = (ALPHA, "on_input")  # numbers and switches beside the weights


class Fault(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: A word for it.
        told: What a person reads.
        names: Of the tensors, sorted.
    """

    kind: str
    told: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """A file of weights, looked through.

    Attributes:
        numbers: What was seen of each tensor of weights.
        norms: Module -> how strongly it is adapted; None where the file alone does not say it.
        findings: What is wrong, worst first.
    """

    source: WeightSource
    what: Contents
    numbers: Mapping[str, TensorNumbers]
    norms: Mapping[str, float | None]
    findings: tuple[Fault, ...]

    def of(self, kind: str) -> tuple[str, ...]:
        """Return the tensors of all findings of a kind."""
        return tuple(name for one in self.findings if one.kind == kind for name in one.names)


def inspection(source: WeightSource) -> Inspection:
    """Look a file through; every number is read."""
    what = contents(source)
    numbers = numbers_of(source, source.tensors)
    norms = {
        word: norm_of(source, one) if _readable(source, one) else math.nan
        for word, one in what.modules.items()
    }
    found = [
        *([] if source.tensors else [Fault(TORN, "it holds no tensor")]),
        *_broken(numbers),
        *_of_modules(what, numbers, norms),
        *_left(source, what),
        *_foreign(source, what),
        *_said(source, what),
    ]
    return Inspection(source, what, numbers, norms, tuple(found))


def _readable(source: WeightSource, module: AdaptedModule) -> bool:
    return all(is_number(source.tensors[name].dtype) for name in module.roles.values())


def _broken(numbers: Mapping[str, TensorNumbers]) -> Iterator[Fault]:
    names = tuple(name for name, one in numbers.items() if one.nan or one.infinite)
    if names:
        nan = sum(numbers[name].nan for name in names)
        infinite = sum(numbers[name].infinite for name in names)
        each = [f"{nan} NaN"] * (nan > 0) + [f"{infinite} infinite"] * (infinite > 0)
        told = f"{' and '.join(each)} among the numbers of {counted(len(names), 'tensor')}"
        yield Fault(BROKEN, told, names)


def _of_modules(
    what: Contents, numbers: Mapping[str, TensorNumbers], norms: Mapping[str, float | None]
) -> Iterator[Fault]:
    each = what.modules.items()
    torn = [one for _, one in each if not one.is_whole()]
    if torn:
        told = f"a part is missing of {counted(len(torn), 'module')}"
        yield Fault(TORN, told, tuple(n for one in torn for n in one.roles.values()))
    strange = [word for word, one in each if one.is_whole() and norms[word] is None]
    if strange:
        told = f"the tensors of {counted(len(strange), 'module')} do not fit each other"
        names = (n for word in strange for n in what.modules[word].roles.values())
        yield Fault(TORN, told, tuple(names))
    dead = [one for word, one in each if norms[word] == 0 and not _CHANGING & one.roles.keys()]
    if dead:
        verb = "changes" if len(dead) == 1 else "change"
        told = f"{len(dead)} of its {counted(len(norms), 'module')} {verb} nothing: all zeros"
        yield Fault(DEAD, told, tuple(n for one in dead for n in one.roles.values()))
    twice = tuple(name for _, one in each for name in one.twice)
    if twice:
        yield Fault(TWICE, f"{counted(len(twice), 'tensor')} there twice, by other names", twice)
    if words := same_modules.twice(what.modules):
        told = f"{counted(len(words), 'module')} there twice, under the names of two programs"
        names = (n for word in words for n in what.modules[word].roles.values())
        yield Fault(TWICE, told, tuple(names))


def _left(source: WeightSource, what: Contents) -> Iterator[Fault]:
    for kind, names in leftovers(source, what).items():
        size = sum(source.size(name) for name in names)
        told = f"{kind}: {counted(len(names), 'tensor')}, {told_size(size)}"
        yield Fault(LEFT, f"left over, {told}", names)
    if wrong := positions(source, what):
        yield Fault(COUNTS, f"counts of positions that are not 0, 1, 2, ...: {wrong[0]}", wrong)


def _foreign(source: WeightSource, what: Contents) -> Iterator[Fault]:
    packed = tuple(name for name, at in source.tensors.items() if not is_number(at.dtype))
    if packed:
        told = f"{counted(len(packed), 'tensor')} of packed numbers"
        yield Fault(PACKED, f"{told}, `{source.tensors[packed[0]].dtype}`", packed)
    each = what.modules.values()
    weights = [n for one in each for role, n in one.roles.items() if role not in _COUNTED]
    whole = tuple(
        name for name in weights if source.tensors[name].dtype not in FLOATS and name not in packed
    )
    if whole:
        told = f"{counted(len(whole), 'tensor')} of whole numbers in the place of weights"
        yield Fault(PACKED, f"{told}, `{source.tensors[whole[0]].dtype}`", whole)
    if what.kind not in (ADAPTER, EMBEDDING):
        return
    left = {name for names in leftovers(source, what).values() for name in names}
    own = {name for one in what.modules.values() for name in (*one.roles.values(), *one.twice)}
    if what.kind == EMBEDDING:
        own = {name for name in source.tensors if source.count(name) > 1}
    own |= {name for name in source.tensors if name.startswith("bundle_emb.")}
    strange = tuple(sorted(source.tensors.keys() - own - left - {*file_marks.MARKS}))
    if strange:
        told = f"{counted(len(strange), 'tensor')} of nothing that is known: `{strange[0]}`"
        yield Fault(FOREIGN, told, strange)


def _said(source: WeightSource, what: Contents) -> Iterator[Fault]:
    """Yield what metadata say that the tensors do not."""
    written = source.metadata.get("sshs_model_hash")
    if written and not source.is_folder and safetensors_file.data_digest(source.place) != written:
        yield Fault(DIGEST, "the tensors are not those that its hash was written for")
    if what.kind not in (ADAPTER, MODEL) or source.is_folder:
        return
    said = by_metadata(source.metadata)
    shown = shown_family(what.modules, source.tensors) if what.kind == ADAPTER else what.family
    related = {"sd3", "sd35"}
    if said and shown and said != shown and not {said, shown} <= related:
        base = source.metadata.get("ss_base_model_version") or source.metadata.get(
            "modelspec.architecture", ""
        )
        yield Fault(BASE, f"its metadata name another kind of model: `{base}`")


def told_size(size: int) -> str:
    """Return a number of bytes as a person says it."""
    for unit, most in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= most:
            return f"{size / most:.1f} {unit}"
    return counted(size, "byte")
