"""What a file of weights is: an adapter of which family and naming, a model, a part of one.

By names, shapes and metadata alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prep.models import file_layouts
from prep.models.safetensors_file import TensorSpan
from train.adapters.embedding_file import NAMES
from train.families import all_families
from train.weights import adapter_family, tensor_names
from train.weights.adapter_family import FAMILIES, WIDTHS, by_metadata
from train.weights.block_names import block_of
from train.weights.tensor_names import AdaptedModule
from train.weights.weight_source import WeightSource

ADAPTER, MODEL, EMBEDDING, HYPERNETWORK = "adapter", "model", "embedding", "hypernetwork"
PART, UNKNOWN = "part", "unknown"


@dataclass(frozen=True)
class Contents:
    """What a file is.

    Attributes:
        kind: `adapter`, `model`, `part` (of a model), `embedding`, `hypernetwork`, `unknown`.
        told: The same in a person's words, as `a LoRA`.
        family: Key of FAMILIES; empty where nothing says it.
        naming: Whose names its modules have; empty where they are nobody's.
        modules: Of an adapter.
    """

    kind: str
    told: str
    family: str = ""
    naming: str = ""
    modules: Mapping[str, AdaptedModule] = field(default_factory=dict)

    def sentence(self) -> str:
        """Return what it is, as `a LoRA for Stable Diffusion XL in kohya's names`."""
        family = FAMILIES.get(self.family, "")
        base = f" for {family}" if family and family not in self.told else ""
        return f"{self.told}{base}{f' in {self.naming}' if self.naming else ''}"


def contents(source: WeightSource) -> Contents:
    """Return what a file or folder holds."""
    names = source.tensors.keys()
    if source.is_folder:
        return _folder(source)
    adapted = {
        word: _shaped(one, source.tensors)
        for word, one in tensor_names.modules(names).items()
        if one.kind
    }
    hyper = source.is_pickle and any(re.match(r"\d+\.[01]\.", name) for name in names)
    if hyper:
        return Contents(HYPERNETWORK, "a hypernetwork")
    alone = ("string_to_param", "bundle_emb")  # of an embedding, unless they come with a LoRA
    if NAMES & names or (not adapted and any(n.startswith(alone) for n in names)):
        return Contents(EMBEDDING, "an embedding", _of_embedding(source))
    layout = file_layouts.layout_of(names)
    if layout is not None:
        return Contents(MODEL, layout.told, layout.name)
    if adapted:
        family = shown_family(adapted, source.tensors) or by_metadata(source.metadata)
        return Contents(ADAPTER, kinds(adapted), family, tensor_names.naming_of(adapted), adapted)
    return _part(source.tensors)


def _shaped(module: AdaptedModule, tensors: Mapping[str, TensorSpan]) -> AdaptedModule:
    """Return a module with its kind by shapes, too: turns in several rounds are a BOFT."""
    name = module.roles.get("oft_blocks")
    several = name is not None and len(tensors[name].shape) == 4
    return module._replace(kind="BOFT") if several else module


def kinds(adapted: Mapping[str, AdaptedModule]) -> str:
    """Return what the adapters of a file are: `a LoRA`, `an OFT`, or several."""
    found = sorted({one.kind for one in adapted.values()})
    own = [kind for kind in found if kind not in ("whole weights", "trained norms")]
    told = " and ".join([*own, *(kind for kind in found if kind not in own)])
    if not own:
        return told
    return f"{'an' if told[0] in 'AEIOU' else 'a'} {told}"


def shown_family(adapted: Iterable[str], tensors: Mapping[str, TensorSpan]) -> str:
    """Return the family that names and widths show; empty where several have such ones."""
    shapes = {name: at.shape for name, at in tensors.items()}
    return adapter_family.by_names(adapted) or adapter_family.by_widths(shapes)


def _of_embedding(source: WeightSource) -> str:
    if {"clip_l", "clip_g"} <= source.tensors.keys():
        return "sdxl"
    wide = {at.shape[-1] for at in source.tensors.values() if len(at.shape) > 1}
    return next((WIDTHS[one] for one in wide if one in (768, 1024)), by_metadata(source.metadata))


def _folder(source: WeightSource) -> Contents:
    place = source.place
    if not (place / "model_index.json").is_file():
        found = _part(source.tensors)
        return Contents(PART, f"{found.told} in a folder", found.family)
    family = next((name for name, one in all_families().items() if one.fits(place)), "")
    told = FAMILIES.get(family, "")
    return Contents(
        MODEL, f"a diffusers folder of {'a ' + told + ' model' if told else 'a model'}", family
    )


def _part(tensors: Mapping[str, TensorSpan]) -> Contents:
    """Return what holds no whole model: one of its parts, by what most names are of."""
    names = tensors.keys()
    what = file_layouts.what(names)
    if what in ("a Stable Diffusion 3 model", "a Stable Diffusion XL refiner"):
        return Contents(MODEL, what, "sd3" if "3" in what else "")
    blocks = Counter(block_of(name) for name in names)
    network = sum(
        count for block, count in blocks.items() if block.startswith(("IN", "OUT", "MID"))
    )
    most = len(names)
    if network > most / 2:
        width = next((at.shape[1] for n, at in tensors.items() if "attn2.to_k.weight" in n), 0)
        return Contents(PART, "a U-Net", WIDTHS.get(width, ""))
    if blocks["VAE"] > most / 2:
        return Contents(PART, "a VAE")
    if sum(count for block, count in blocks.items() if block.startswith("TE")) > most / 2:
        return Contents(PART, "a text encoder")
    if sum(count for block, count in blocks.items() if block.startswith("JOINT")) > most / 2:
        return Contents(PART, "a transformer")
    return Contents(UNKNOWN, "a file of weights of another kind")
