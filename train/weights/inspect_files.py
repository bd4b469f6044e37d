"""`train inspect`: what is in files of weights, and what is wrong with them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prep.runtime import files
from prep.runtime.console import Console, show_error
from prep.runtime.counts import counted
from prep.runtime.errors import UsageError, UserError
from train.weights.block_plot import svg
from train.weights.block_strengths import as_json, bars, strengths
from train.weights.contents import ADAPTER, EMBEDDING, HYPERNETWORK, Contents
from train.weights.findings import Inspection, inspection, told_size
from train.weights.module_norms import alpha_of, block_size, rank_of
from train.weights.tensor_names import ALPHA
from train.weights.weight_source import WeightSource, opened

_SHOWN = 3


def inspect_files(places: Sequence[Path], console: Console, plot: Path | None = None) -> int:
    """Tell of each file; one that cannot be opened does not stop the others.

    Args:
        plot: Where the strengths of the one file's blocks are drawn, as SVG.

    Raises:
        UsageError: Several files are to be drawn in one place, or it is no SVG's.
        MachineError: The drawing cannot be written.

    Returns:
        0, or 3 where something is wrong with one of them.
    """
    _check_plot(places, plot)
    wrong = False
    for place in places:
        try:
            found = inspection(opened(place))
        except UserError as error:
            show_error(error, console.err)
            if console.json:
                console.say(file=str(place), error=str(error), hint=error.hint)
            wrong = True
            continue
        wrong = wrong or bool(found.findings)
        console.say(*lines_of(found, console.level > 1), **facts_of(found))
        if plot is not None:
            title = f"{found.source.place.name}: {found.what.sentence()}"
            files.write(plot, svg(title, strengths(found)).encode())
    return 3 if wrong else 0


def _check_plot(places: Sequence[Path], plot: Path | None) -> None:
    if plot is not None and (len(places) > 1 or plot.suffix.lower() != ".svg"):
        raise UsageError(
            f"`--plot {plot}` is for the blocks of one file, as a picture of the kind SVG",
            "name one file, and a plot that ends in `.svg`",
        )


def lines_of(found: Inspection, whole: bool) -> Iterator[str]:
    """Yield what a person reads of a file.

    Args:
        whole: Name every tensor of what is wrong, not the first few.
    """
    source, what = found.source, found.what
    yield f"{source.place.name}: {what.sentence()}"
    if what.kind == ADAPTER:
        yield ", ".join([_modules(what), ranks(source, what), alphas(source, what)])
    yield f"tensors: {dtypes(source)}"
    if source.is_pickle and what.kind != HYPERNETWORK:
        yield "it is a pickle: `train clean` writes a `.safetensors` of it"
    rows = strengths(found)
    if what.kind == EMBEDDING:
        yield from _vectors(source)
    if what.kind == ADAPTER and rows:
        yield "how strongly blocks are changed (norm of what is added to their weights):"
        yield from bars(rows)
    elif rows:
        yield "size of the weights of blocks (root of the mean square):"
        yield from bars(rows, "tensor")
    yield from _wrong(found, whole)


def _wrong(found: Inspection, whole: bool) -> Iterator[str]:
    for one in found.findings:
        yield f"wrong: {one.told}"
        shown = one.names if whole else one.names[:_SHOWN]
        yield from (f"  {name}" for name in shown)
        if len(one.names) > len(shown):
            yield f"  and {len(one.names) - len(shown)} more; `-v` shows all"
    if not found.findings:
        yield "nothing wrong was found"


def _vectors(source: WeightSource) -> Iterator[str]:
    """Yield how many vectors an embedding has for each text encoder, and how long they are."""
    import numpy as np

    for name, at in source.tensors.items():
        if len(at.shape) == 2 and at.shape[0]:
            lengths = np.linalg.norm(source.whole(name), axis=1)
            many = f"{counted(at.shape[0], 'vector')} of {counted(at.shape[1], 'number')}"
            yield f"`{name}`: {many}, lengths {lengths.min():.3g} to {lengths.max():.3g}"


def _modules(what: Contents) -> str:
    kinds = Counter(one.kind for one in what.modules.values())
    if len(kinds) == 1:
        return counted(len(what.modules), "module")
    each = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{counted(len(what.modules), 'module')} ({each})"


def ranks(source: WeightSource, what: Contents) -> str:
    """Return the ranks of an adapter's modules, as `rank 16` or `ranks 4 to 64`."""
    found = {one for module in what.modules.values() if (one := rank_of(source, module))}
    blocks = {one for module in what.modules.values() if (one := block_size(source, module))}
    if found:
        return f"rank {found.pop()}" if len(found) == 1 else f"ranks {min(found)} to {max(found)}"
    return f"blocks of up to {max(blocks)}" if blocks else "no rank"


def alphas(source: WeightSource, what: Contents) -> str:
    """Return the alphas of an adapter's modules; without one, one acts as if it were its rank."""
    ranked = [one for one in what.modules.values() if rank_of(source, one) or ALPHA in one.roles]
    each = [alpha_of(source, module) for module in ranked]
    found = sorted({one for one in each if one is not None})
    if not found:
        return "no alpha (acts as one of the rank)" if ranked else "no alpha"
    told = f"alpha {found[0]:g}" if len(found) == 1 else f"alphas {found[0]:g} to {found[-1]:g}"
    lacks = each.count(None)
    return f"{told}, none in {counted(lacks, 'module')}" if lacks else told


def dtypes(source: WeightSource) -> str:
    """Return how many tensors and numbers a file has, and of which kinds."""
    kinds = Counter(at.dtype for at in source.tensors.values())
    each = ", ".join(f"{count} {dtype}" for dtype, count in kinds.most_common())
    count = sum(map(source.count, source.tensors))
    size = sum(map(source.size, source.tensors))
    numbers = f"{count:,} {'number' if count == 1 else 'numbers'}"
    return f"{each or 'none'}; {numbers}, {told_size(size)}"


def facts_of(found: Inspection) -> dict[str, Any]:
    """Return what `--json` says of a file."""
    source, what = found.source, found.what
    modules = what.modules.values()
    return {
        "file": str(source.place),
        "kind": what.kind,
        "adapters": dict(Counter(one.kind for one in modules)),
        "family": what.family,
        "naming": what.naming,
        "modules": len(what.modules),
        "ranks": sorted({rank_of(source, one) for one in modules} - {0}),
        "alphas": sorted({a for one in modules if (a := alpha_of(source, one)) is not None}),
        "dtypes": dict(Counter(at.dtype for at in source.tensors.values())),
        "tensors": len(source.tensors),
        "numbers": sum(map(source.count, source.tensors)),
        "blocks": as_json(strengths(found)),
        "findings": [one._asdict() for one in found.findings],
    }
