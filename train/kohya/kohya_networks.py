"""What a run of kohya's scripts trains beside the base model: LoRAs, and the kinds of LyCORIS.

Source: kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py; LyCORIS 4.1.3, lycoris/kohya.py and
config.py.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from prep.runtime.errors import nearest
from train.kohya.kohya_keys import LORA_ARGS, LYCORIS_ARGS
from train.kohya.kohya_scripts import Settings, as_number, as_whole, unlike

LYCORIS = "lycoris.kohya"
# LyCORIS' name of a kind -> our method.
_ALGOS: Mapping[str, str] = {
    "lora": "lora", "locon": "lora", "loha": "loha", "lokr": "lokr", "diag-oft": "oft"
}  # fmt: skip
# LyCORIS' word of where adapters go -> ours.
_PRESETS: Mapping[str, str] = {
    "full": "convolutions", "attn-mlp": "transformer", "attn-only": "attention"
}  # fmt: skip
# What else there is in LyCORIS -> the name of the nearest that is taken over.
_NEAREST: Mapping[str, str] = MappingProxyType(
    {"boft": "diag-oft"} | dict.fromkeys(("full", "dylora", "glora", "ia3", "tlora"), "locon")
)
_OFF = ("", "0", "0.0", "none", "false")
_USUAL_RANK = 4  # of LyCORIS and of kohya's LoRA


def network(found: Settings) -> None:
    """Gather what learns beside the base model."""
    if found.script.method != "lora":
        return
    module = str(found.given.get("network_module", ""))
    if module not in (LYCORIS, "networks.lora"):
        hint = f"`networks.lora` and `{LYCORIS}` are what there is"
        found.wrong.append((f"`network_module` is `{module}`", hint))
    args = dict(found.pairs("network_args"))
    if module == LYCORIS:
        _lycoris(found, args)
    else:
        _lora(found, args)
    if (start := found.given.get("network_weights")) is not None:
        found.values["start_from"] = str(start)
        if found.values["method"] != "lora":
            told = f"`network_weights` is `{start}`, and LoRAs alone go on from a file here"
            found.wrong.append((told, "train anew: `--without network_weights`"))
    theirs = LYCORIS_ARGS if module == LYCORIS else LORA_ARGS
    found.wrong += [unlike("network_args", name, value, theirs) for name, value in args.items()]


def method_of(method: str, options: Mapping[str, Any]) -> str:
    """Return what a script's method is called here, by what it is given.

    Args:
        method: That of the script.
    """
    if method != "lora" or options.get("network_module") != LYCORIS:
        return method
    value = options.get("network_args", [])
    pairs = [str(one).partition("=") for one in ([value] if isinstance(value, str) else value)]
    return _kind({name.strip(): text.strip("'\" ") for name, _, text in pairs}) or method


def deciding_args(options: Mapping[str, Any]) -> list[str]:
    """Return the words of `network_args` that decide which kind of adapter learns, as given."""
    if options.get("network_module") != LYCORIS:
        return []
    value = options.get("network_args", [])
    each = [str(one) for one in ([value] if isinstance(value, str) else value)]
    words = ("algo", "dora_wd") if method_of("lora", options) == "dora" else ("algo",)
    return [one for one in each if one.partition("=")[0].strip() in words]


def _lora(found: Settings, args: dict[str, str]) -> None:
    rank, alpha = _size(found)
    _blocks(found, args, rank, alpha)
    _bounds(found, args)
    _no_kernels(found, args)
    if "conv_dim" in args:
        found.values["targets"] = "convolutions"
        _kernels(found, args, (rank, alpha), 1)
    elif args.pop("conv_alpha", None) is not None:
        found.notes.append("`conv_alpha` is left out: it is not used without `conv_dim`")
    _plus(found, args)


def _lycoris(found: Settings, args: dict[str, str]) -> None:
    for name in ("network_dropout", "scale_weight_norms"):
        if found.number(name, 0):
            told = f"`{name}` is `{found.given[name]}`, and here a LoRA of `networks.lora` alone"
            found.wrong.append((f"{told} has it", f"leave it out: `--without {name}`"))
    kind = _kind(args)
    algo = args.pop("algo", "lora")
    if kind is None:
        near = _NEAREST.get(algo.lower())
        hint = f"the nearest here is `algo={near}`" if near else nearest(algo, _ALGOS)
        found.wrong.append((f"`network_args` has `algo={algo}`", hint))
        return
    found.values["method"] = kind
    size = _size(found)
    preset = args.pop("preset", "full")
    if preset in _PRESETS:
        found.values["targets"] = _PRESETS[preset]
        if preset == "full" and _no_kernels(found, args):
            found.values["targets"] = "transformer"
        _kernels(found, args, size, size[1])
    else:
        known = ", ".join(_PRESETS)
        found.wrong.append((f"`network_args` has `preset={preset}`", f"known: {known}"))
    if preset == "full":
        found.notes.append(
            "`preset=full` of LyCORIS has the first and the last convolution and the embedding of "
            "timesteps, too: here they stay as they are"
        )
    _OWN[kind](found, args)
    args.pop("bypass_mode", None)  # another way to the same numbers
    for name in [name for name, value in args.items() if value.lower() in _OFF]:
        del args[name]


def _kind(args: Mapping[str, str]) -> str | None:
    """Return the method that arguments of LyCORIS ask for; None for what there is not."""
    kind = _ALGOS.get(args.get("algo", "lora").lower())
    return "dora" if kind == "lora" and _is_on(args.get("dora_wd")) else kind


def _is_on(value: str | None) -> bool:
    """Return whether LyCORIS takes a value for yes: any but `False`."""
    return value is not None and value.lower() != "false"


def _size(found: Settings) -> tuple[int, float]:
    """Gather rank and alpha, and return them."""
    rank = found.whole("network_dim", _USUAL_RANK)
    alpha = found.number("network_alpha", 1) or float(rank)
    if found.values["method"] == "oft":
        found.values["block_size"] = rank
    else:
        found.values |= {"rank": rank, "alpha": alpha}
    return rank, alpha


def _kernels(
    found: Settings, args: dict[str, str], size: tuple[int, float], usual_alpha: float
) -> None:
    """Gather rank and alpha of convolutions where they are others than the rest.

    Args:
        size: Rank and alpha of the rest.
        usual_alpha: Where none is given.
    """
    rank = as_whole("conv_dim", args.pop("conv_dim", size[0]), size[0], found.wrong)
    alpha = as_number("conv_alpha", args.pop("conv_alpha", usual_alpha), usual_alpha, found.wrong)
    if found.values["targets"] != "convolutions" or (rank, alpha) == size:
        return
    if found.values["method"] == "oft":
        told = f"convolutions have a `conv_dim` of {rank}, and the rest one of {size[0]}"
        found.wrong.append((f"`network_args`: {told}", "give them the same"))
    else:
        found.values |= {"conv_rank": rank, "conv_alpha": alpha or float(rank)}


def _no_kernels(found: Settings, args: dict[str, str]) -> bool:
    """Return whether convolutions get no adapter: a `conv_dim` of 0, which is taken and told."""
    if "conv_dim" not in args or as_whole("conv_dim", args["conv_dim"], 1, []) != 0:
        return False
    del args["conv_dim"]
    found.notes.append(
        "`conv_dim=0` leaves convolutions out; what is linear or one by one in their blocks learns "
        "in kohya's scripts, too, and stays as it is here"
    )
    return True


# As their lists of 25 have them: the way down, the middle, the way up of an SD 1.x or 2.x U-Net.
_BLOCKS = (*(f"IN{n:02d}" for n in range(12)), "MID", *(f"OUT{n:02d}" for n in range(12)))


def _blocks(found: Settings, args: dict[str, str], rank: int, alpha: float) -> None:
    """Gather ranks and alphas of blocks; those that are as the rest are not named.

    Text encoders have the rank and alpha of all.
    """
    dims = _of_blocks(found, args, "block_dims", rank)
    alphas = _of_blocks(found, args, "block_alphas", alpha)
    if dims is None and alphas is not None:
        alphas = None
        found.notes.append("`block_alphas` is left out: it is not used without `block_dims`")
    if dims is None:
        return
    if "conv_dim" in args:
        told = "`network_args` has `block_dims` and `conv_dim`"
        found.wrong.append((told, "here a block's rank is that of its convolutions, too"))
    ranks = {block: int(dim) for block, dim in dims.items() if dim != rank}
    found.values["block_ranks"] = _said(ranks)
    each = alphas or dict.fromkeys(_BLOCKS, alpha)
    # A rank alone keeps its scale here, and its alpha there.
    own = {b: one for b, one in each.items() if dims[b] and one != alpha * (dims[b] / rank)}
    found.values["block_alphas"] = _said(own)


def _of_blocks(
    found: Settings, args: dict[str, str], name: str, usual: float
) -> dict[str, float] | None:
    """Return the number of each block; None where none, or no list of 25, is given."""
    if (text := args.pop(name, None)) is None:
        return None
    each = [as_number(name, piece, usual, found.wrong) for piece in text.split(",")]
    if len(each) != len(_BLOCKS):
        told = f"`{name}` has {len(each)} numbers, and there are {len(_BLOCKS)} blocks"
        found.wrong.append((told, "give one for each"))
        return None
    return dict(zip(_BLOCKS, each, strict=True))


def _said(numbers: Mapping[str, float]) -> str:
    return ",".join(f"{block}={number:g}" for block, number in numbers.items())


def _bounds(found: Settings, args: dict[str, str]) -> None:
    """Gather dropout, and the longest change of a weight."""
    own = {"network_dropout": "network_dropout", "scale_weight_norms": "max_norm"}
    for theirs, name in own.items():
        if number := found.number(theirs, 0):
            found.values[name] = float(number)
    for name in ("rank_dropout", "module_dropout"):
        if number := as_number(name, args.pop(name, 0), 0, found.wrong):
            found.values[name] = float(number)


def _plus(found: Settings, args: dict[str, str]) -> None:
    if (value := args.pop("loraplus_lr_ratio", None)) is not None:
        found.values["lora_plus"] = as_number("loraplus_lr_ratio", value, 1, found.wrong)


def _dora(found: Settings, args: dict[str, str]) -> None:
    args.pop("dora_wd", None)
    outputs = _is_on(args.pop("wd_on_output", "True"))
    found.values["magnitude"] = "outputs" if outputs else "inputs"


def _lokr(found: Settings, args: dict[str, str]) -> None:
    found.values["factor"] = as_whole("factor", args.pop("factor", -1), -1, found.wrong)
    if _is_on(args.pop("decompose_both", None)):
        found.values["decompose_both"] = True


def _nothing(found: Settings, args: dict[str, str]) -> None:
    """Gather nothing: there is nothing of its own."""


_OWN: Mapping[str, Callable[[Settings, dict[str, str]], None]] = {
    "lora": _plus, "dora": _dora, "lokr": _lokr, "loha": _nothing, "oft": _nothing
}  # fmt: skip
