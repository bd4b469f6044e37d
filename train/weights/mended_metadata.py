"""What a cleaned file says of itself: what it said, and what its tensors tell in the place of gaps.

Names of fields: kohya-ss/sd-scripts (commit 48d368fa), train_network.py and
networks/resize_lora.py, which writes `Dynamic` where ranks differ; modelspec 1.0.1.
"""

from collections.abc import Mapping

from train.families import all_families
from train.weights.contents import ADAPTER, EMBEDDING, Contents
from train.weights.module_norms import alpha_of, rank_of
from train.weights.web_hashes import HASHES
from train.weights.weight_source import WeightSource

DYNAMIC = "Dynamic"
_BASES = ("ss_base_model_version", "modelspec.architecture")
_ADDED: Mapping[str, str] = {ADAPTER: "/lora", EMBEDDING: "/textual-inversion"}
_RANKED = ("LoRA", "DoRA", "LoHa", "LoKr")


def mended(source: WeightSource, what: Contents, *, base_is_wrong: bool) -> dict[str, str]:
    """Return the metadata of a cleaned file, without hashes.

    Args:
        base_is_wrong: Whether the base model that it names is not that of its tensors.
    """
    drop = (*HASHES, *(_BASES if base_is_wrong else ()))
    said = {word: one for word, one in source.metadata.items() if word not in drop}
    if what.kind == ADAPTER:
        told = _of_network(source, what)
        said |= {word: one for word, one in told.items() if not _fits(said.get(word), one)}
    return {**_spec(source, what, said), **said}


def fields_changed(source: WeightSource, said: Mapping[str, str]) -> list[str]:
    """Return the fields that are missing among a file's metadata, or others there."""
    return sorted(word for word, one in said.items() if source.metadata.get(word) != one)


def _fits(said: str | None, told: str) -> bool:
    """Return whether a field is there, and no other number than its tensors tell."""
    if said is None:
        return False
    try:
        return float(said) == float(told)
    except ValueError:
        return True


def _of_network(source: WeightSource, what: Contents) -> dict[str, str]:
    """Return the fields of rank, alpha and kind, of adapters that have a rank."""
    modules = [one for one in what.modules.values() if one.kind in _RANKED]
    ranks = {rank_of(source, one) for one in modules} - {0}
    alphas = {alpha_of(source, one) for one in modules}
    found: dict[str, str] = {}
    if ranks:
        found["ss_network_dim"] = str(*ranks) if len(ranks) == 1 else DYNAMIC
    if alphas == {None} and ranks and "ss_network_alpha" not in source.metadata:
        found["ss_network_alpha"] = found["ss_network_dim"]  # what readers take then
    elif alphas and alphas != {None}:
        found["ss_network_alpha"] = str(*alphas) if len(alphas) == 1 else DYNAMIC
    if modules and "ss_network_module" not in source.metadata:
        plain = {one.kind for one in what.modules.values()} == {"LoRA"}
        found["ss_network_module"] = "networks.lora" if plain else "lycoris.kohya"
    return found


def _spec(source: WeightSource, what: Contents, said: Mapping[str, str]) -> dict[str, str]:
    """Return what modelspec asks for, as far as it is known."""
    families = all_families()
    if what.family not in families or what.kind not in _ADDED:
        return {}
    family = families[what.family]
    version = said.get("ss_base_model_version", family.base_version)
    velocity = family.of_velocity or ("", "")
    kind = velocity[1] if version == velocity[0] else family.architecture
    return {
        "ss_base_model_version": version,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": kind + _ADDED[what.kind],
        "modelspec.implementation": "diffusers",
        "modelspec.title": said.get("ss_output_name") or source.place.stem,
    }
