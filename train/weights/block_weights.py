"""The adapters of a file, block by block: weighted or left out, in a new file.

The numbers that are multiplied are those that all readers multiply the change by: alpha where there
is one that counts, else one factor of the change.
"""

from collections.abc import Mapping
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, ModelFileError
from train.adapters.lora_metadata import WEIGHTED
from train.block_rates import BlockWeights, rate_of, strange
from train.families import all_families
from train.weights import mended_metadata
from train.weights.adapter_family import FAMILIES
from train.weights.block_names import OTHER, block_of, order
from train.weights.block_strengths import bars, strengths
from train.weights.contents import ADAPTER
from train.weights.findings import BROKEN, PACKED, Inspection, inspection, told_size
from train.weights.module_norms import rank_of
from train.weights.new_file import NewFile, NewTensor, check_target, write
from train.weights.tensor_names import ALPHA, UP, AdaptedModule
from train.weights.web_hashes import HASHES
from train.weights.weight_source import WeightSource, opened

# Kinds whose change is no multiple of its tensors: DoRA sets lengths, OFT turns.
_BOUND = ("DoRA", "OFT", "BOFT")
# Kind -> what its change is a multiple of; the first that is there counts.
_FACTORS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "LoRA": ((UP,),),
    "LoHa": (("hada_w1_a",),),
    "LoKr": (("lokr_w1",), ("lokr_w1_a",)),
    "IA3": (("weight",),),
}


def adapter(place: Path) -> Inspection:
    """Return the adapters of a file, looked through.

    Raises:
        ModelFileError: It cannot be opened, or holds none, or none with a block.
    """
    found = inspection(opened(place))
    if found.what.kind != ADAPTER:
        raise ModelFileError(
            f"`{found.source.place}` is {found.what.told}, and has no blocks that are weighted",
            "name a LoRA, or what is like one",
        )
    return found


def tell_blocks(found: Inspection, console: Console) -> None:
    """Tell which blocks the adapters of a file act in, and how strongly."""
    rows = strengths(found)
    lines = bars(rows) if rows else ["  its modules are of no block that is known"]
    console.say(
        f"{found.source.place.name}: {found.what.sentence()}",
        "how strongly blocks are changed (norm of what is added to their weights):",
        *lines,
        blocks=[row._asdict() for row in rows],
    )


def write_weighted(
    found: Inspection, given: BlockWeights, out: Path | None, console: Console
) -> None:
    """Write the file with its blocks weighted or left out.

    Args:
        out: By default beside the file, with `-blocks` behind its name.

    Raises:
        ConfigError: The weights name blocks that are not there, or weigh what cannot be weighed.
        ModelFileError: Nothing would be left.
        MachineError: As `write`.
    """
    source = found.source
    _check(found, given)
    target = out or source.place.with_name(f"{source.place.stem}-blocks.safetensors")
    check_target(target, source.place)
    rates = {word: rate_of(block_of(word), given.weights) for word in found.what.modules}
    if all(rate == 1 for rate in rates.values()):
        console.say(f"nothing of `{source.place}` gets another strength: nothing is written")
        return
    new = _weighted(found, given, rates)
    write(target, new)
    lines = _told(rates)
    size = told_size(new.size())
    console.say(*lines, f"written: {target}: {size} of tensors", out=str(target), blocks=lines)


def _check(found: Inspection, given: BlockWeights) -> None:
    for one in found.findings:
        if one.kind in (BROKEN, PACKED):
            raise ModelFileError(
                f"`{found.source.place}` cannot be weighted: {one.told}",
                "`train clean` with `--drop-broken` leaves such modules out, or fetch it again",
            )
    own = {block_of(word) for word in found.what.modules} - {OTHER}
    family = all_families().get(found.what.family)
    known = set(family.all_blocks()) | own if family else own
    name = FAMILIES.get(found.what.family, "a kind that is not known")
    if instead := given.instead(known) if family else "":
        raise ConfigError(
            f"`--block-weights` has {given.numbers} numbers, and `{found.source.place}` is for "
            f"{name}",
            instead,
        )
    if words := [] if given.numbers else strange(given.weights, known):
        raise ConfigError(
            f"`--block-weights` names `{words[0]}`, and `{found.source.place}` has no such block",
            f"its blocks are {', '.join(sorted(own, key=order))}",
        )
    for word, module in found.what.modules.items():
        rate = rate_of(block_of(word), given.weights)
        if module.kind in _BOUND and rate not in (0, 1):
            raise ConfigError(
                f"`{word}` is {module.kind}: how strongly it acts depends on the weight of the "
                "base model",
                "give its block 0 or 1, or weigh it where it is drawn: `train sample "
                "--block-weights`",
            )


def _weighted(found: Inspection, given: BlockWeights, rates: Mapping[str, float]) -> NewFile:
    source, what = found.source, found.what
    gone, factors = set[str](), dict[str, float]()
    for word, module in what.modules.items():
        if rates[word] == 0:
            gone |= {*module.roles.values(), *module.twice}
        elif rates[word] != 1:
            factors |= dict.fromkeys(_multiplied(source, module), rates[word])
    tensors = {
        name: NewTensor(name, _dtype(source, name, name in factors), factors.get(name, 1.0))
        for name in source.tensors
        if name not in gone
    }
    if not tensors:
        raise ModelFileError(
            f"nothing of `{source.place}` would be left", "give a block a weight above 0"
        )
    said = {w: one for w, one in source.metadata.items() if w not in HASHES}
    said[WEIGHTED] = ",".join(f"{block}={rate:g}" for block, rate in given.weights.items())
    if any(name == what.modules[w].roles.get(ALPHA) for w in what.modules for name in factors):
        said["ss_network_alpha"] = mended_metadata.DYNAMIC
    return NewFile(source, tensors, said, hashes=True)


def _multiplied(source: WeightSource, module: AdaptedModule) -> tuple[str, ...]:
    """Return the tensors of a module that are multiplied for it to act so many times as much."""
    roles = module.roles
    biases = tuple(roles[role] for role in ("diff_b", "b_norm") if role in roles)
    if ALPHA in roles and rank_of(source, module) and source.count(roles[ALPHA]) == 1:
        return (roles[ALPHA], *biases)
    for names in _FACTORS.get(module.kind, ()):
        if all(name in roles for name in names):
            return (*(roles[name] for name in names), *biases)
    return tuple(name for role, name in roles.items() if role != ALPHA)


def _dtype(source: WeightSource, name: str, multiplied: bool) -> str:
    """Return the kind of numbers of a tensor: an alpha that is multiplied is not rounded again."""
    at = source.tensors[name]
    return "F32" if multiplied and source.count(name) == 1 else at.dtype


def _told(rates: Mapping[str, float]) -> list[str]:
    each: dict[tuple[str, float], int] = {}
    for word, rate in rates.items():
        each[block_of(word), rate] = each.get((block_of(word), rate), 0) + 1
    rows = sorted(each.items(), key=lambda row: order(row[0][0]))
    return [
        f"{block}: {counted(count, 'module')} "
        + ("left out" if rate == 0 else f"x {rate:g}" if rate != 1 else "as it was")
        for (block, rate), count in rows
    ]
