"""Names of tensors in files of adapters, whoever wrote them: whose module, and what of it.

Source: endings: kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py; LyCORIS 4.1.3,
lycoris/modules; peft 0.21.2, utils/save_and_load.py; diffusers 0.42.1, utils/state_dict_utils.py,
which also has the older ones.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

DOWN, UP, MID, ALPHA, MAGNITUDE = "down", "up", "mid", "alpha", "magnitude"
_PAIRS: Mapping[str, str] = {
    ".lora_down.weight": DOWN,
    ".lora_up.weight": UP,
    ".lora_mid.weight": MID,
    ".lora_A.weight": DOWN,
    ".lora_B.weight": UP,
    ".lora_A.default.weight": DOWN,
    ".lora_B.default.weight": UP,
    ".lora_linear_layer.down.weight": DOWN,
    ".lora_linear_layer.up.weight": UP,
    ".lora.down.weight": DOWN,
    ".lora.up.weight": UP,
    "_lora.down.weight": DOWN,
    "_lora.up.weight": UP,
    ".dora_scale": MAGNITUDE,
    ".lora_magnitude_vector": MAGNITUDE,
    ".lora_magnitude_vector.weight": MAGNITUDE,
    ".lora_magnitude_vector.default.weight": MAGNITUDE,
    ".alpha": ALPHA,
}
# What a tensor is -> the ending that kohya's and LyCORIS' names have for it; others are their own.
KOHYA: Mapping[str, str] = {
    DOWN: "lora_down.weight",
    UP: "lora_up.weight",
    MID: "lora_mid.weight",
    MAGNITUDE: "dora_scale",
}
_OTHERS = (
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
    "oft_blocks", "oft_diag", "rescale", "on_input", "diff", "diff_b", "w_norm", "b_norm",
    "a1.weight", "a2.weight", "b1.weight", "b2.weight", "bm.weight",
)  # fmt: skip
_ENDINGS = {**_PAIRS, **{f".{word}": word for word in _OTHERS}}
_BY_LENGTH = sorted(_ENDINGS, key=len, reverse=True)
# How the names of modules begin -> whose names they are.
_NAMINGS: Mapping[str, str] = {
    "lora_unet_": "kohya's names",
    "lora_te": "kohya's names",
    "lora_transformer_": "kohya's names",
    "lycoris_": "LyCORIS' names",
    "base_model.model.": "peft's names",
    "diffusion_model.": "ComfyUI's names",
    "text_encoders.": "ComfyUI's names",
    "unet.": "diffusers' names",
    "transformer.": "diffusers' names",
    "text_encoder": "diffusers' names",
}
# Tensors of a module -> what adapts it; the first that fits counts.
_KINDS: Mapping[str, str] = {
    "hada_w1_a": "LoHa", "hada_w2_a": "LoHa",
    "lokr_w1": "LoKr", "lokr_w1_a": "LoKr", "lokr_w2": "LoKr", "lokr_w2_a": "LoKr",
    "oft_blocks": "OFT", "oft_diag": "OFT", "on_input": "IA3", "a1.weight": "GLoRA",
    MAGNITUDE: "DoRA", DOWN: "LoRA",
    UP: "LoRA", "diff": "whole weights", "diff_b": "whole weights", "w_norm": "trained norms",
    "b_norm": "trained norms",
}  # fmt: skip


class AdaptedModule(NamedTuple):
    """What a file has for a module.

    Attributes:
        kind: `LoRA`, `LoHa`, `whole weights`, ...; empty where there is an alpha alone.
        roles: What each tensor is -> its name.
        twice: Tensors that are what another one is already, under another name.
    """

    kind: str
    roles: Mapping[str, str]
    twice: tuple[str, ...] = ()

    def is_whole(self) -> bool:
        """Return whether nothing is missing that readers ask for."""
        if self.kind in ("LoRA", "DoRA"):
            return {DOWN, UP} <= self.roles.keys()
        if self.kind == "LoHa":
            return set(_OTHERS[:4]) <= self.roles.keys()
        if self.kind == "LoKr":
            pairs = [{"lokr_w1_a", "lokr_w1_b"}, {"lokr_w2_a", "lokr_w2_b"}]
            halves = ("lokr_w1", "lokr_w2")
            each = zip(halves, pairs, strict=True)
            return all(half in self.roles or pair <= self.roles.keys() for half, pair in each)
        return bool(self.kind)


def split(name: str) -> tuple[str, str] | None:
    """Return the module that a tensor adapts and what it is of it; None for another tensor."""
    for ending in _BY_LENGTH:
        if name.endswith(ending) and len(name) > len(ending):
            return name.removesuffix(ending), _ENDINGS[ending]
    return None


def modules(names: Iterable[str]) -> dict[str, AdaptedModule]:
    """Return the modules that the tensors of a file adapt, sorted."""
    each: dict[str, dict[str, str]] = {}
    more: dict[str, list[str]] = {}
    known = set(names)
    parts = {name: part for name in sorted(known) if (part := split(name))}
    for name in sorted(parts, key=lambda one: _rank(one, parts[one][0])):
        word, role = parts[name]
        roles = each.setdefault(word, {})
        if role in roles:
            more.setdefault(word, []).append(name)
        else:
            roles[role] = name
    for word, roles in each.items():
        if "on_input" in roles and f"{word}.weight" in known:
            roles["weight"] = f"{word}.weight"
    return {
        word: AdaptedModule(_kind(roles), roles, tuple(more.get(word, ())))
        for word, roles in sorted(each.items())
    }


def _rank(name: str, word: str) -> int:
    """Return the place of a tensor's ending in the table: what two have, the first one keeps."""
    return list(_ENDINGS).index(name.removeprefix(word))


def _kind(roles: Mapping[str, str]) -> str:
    return next((kind for role, kind in _KINDS.items() if role in roles), "")


def naming_of(words: Iterable[str]) -> str:
    """Return whose names the modules of a file have; empty where nobody's are known."""
    counts: dict[str, int] = {}
    for word in words:
        whose = next((w for before, w in _NAMINGS.items() if word.startswith(before)), "")
        counts[whose] = counts.get(whose, 0) + 1
    return max(counts, key=lambda whose: counts[whose], default="")
