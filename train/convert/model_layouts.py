"""How the parts of a base model lie in one file: each tensor's name there, and what it is made of.

Tensors are `StoredTensor`s: they are named here, and read by whoever writes them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from prep.models import file_layouts, ldm_names, mmdit_names, open_clip_names
from prep.models.file_layouts import Layout
from prep.models.stored_tensors import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor

_TEXT_MODEL = "text_model."
Tensors = Mapping[str, StoredTensor]


class FilePlace(NamedTuple):
    """What one tensor of a file is made of.

    Attributes:
        own: The part's tensors, by diffusers' or transformers' names, without `text_model.`.
        how: `same`; `kernel`: a matrix that is a kernel of one pixel in the file; `turned`: rows
            and columns are the other way round; `swapped`: the first and the second half are;
            `stacked`: one behind the other.
    """

    own: tuple[str, ...]
    how: str = "same"


@dataclass(frozen=True)
class ModelLayout:
    """The layout of one family in a single file.

    Attributes:
        family: Its name.
        marks: Folder of a part in diffusers -> what the names of its tensors begin with.
        ldm: How a U-Net's family names them; None of Stable Diffusion 3.5.
    """

    family: str
    marks: Mapping[str, str]
    ldm: Layout | None = None

    def own_names(self, part: str, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Return the tensors of a part that a file holds, by diffusers' names.

        Args:
            shapes: Of all tensors of the file.
        """
        if self.ldm is not None:
            return list(self.ldm.shapes(part, shapes))
        before = self.marks[part]
        inner = [name.removeprefix(before) for name in shapes if name.startswith(before)]
        if part == "transformer":
            return [own for name in inner for own in mmdit_names.from_file(name)]
        if part == "vae":
            return [ldm_names.from_ldm("vae", before + name) for name in inner]
        return [n.removeprefix(_TEXT_MODEL) for n in inner if not n.endswith("position_ids")]

    def places(self, part: str, names: Iterable[str]) -> dict[str, FilePlace]:
        """Return what a file calls a part's tensors, and what each is made of.

        Args:
            names: By diffusers' names, without `text_model.`.
        """
        before, names = self.marks[part], list(names)
        if part == "transformer":
            return {before + name: place for name, place in _of_transformer(names).items()}
        if part in ("unet", "vae"):
            ups = self.ldm.ups if self.ldm else ldm_names.SD_UPS
            return {
                ldm_names.to_ldm(part, name, ups): FilePlace(
                    (name,), "kernel" if ldm_names.is_flat(part, name) else "same"
                )
                for name in names
            }
        if self.ldm is not None and self.ldm.is_open_clip(part):
            each = open_clip_names.places(names)
            return {
                before + name: FilePlace(own, _how(name, own, open_clip_names.is_turned(name)))
                for name, own in each.items()
            }
        deeper = "" if part == "text_encoder_3" else _TEXT_MODEL
        return {
            before + (name if name.startswith("text_projection") else deeper + name): FilePlace(
                (name,)
            )
            for name in names
        }

    def to_file(self, part: str, tensors: Tensors) -> dict[str, StoredTensor]:
        """Return a part's tensors as a file holds them, with what its readers ask for besides."""
        each = self.places(part, tensors)
        found = {name: joined(place, tensors) for name, place in each.items()}
        return found | self._asked_for(part, found)

    def from_file(self, part: str, tensors: Tensors) -> tuple[dict[str, StoredTensor], set[str]]:
        """Return a part's tensors in a file by diffusers' names, and the names of those it used.

        Args:
            tensors: All of the file.
        """
        shapes = {name: one.shape for name, one in tensors.items()}
        found, used = {}, set()
        for name, place in self.places(part, self.own_names(part, shapes)).items():
            there = name if name in tensors else name.replace(_TEXT_MODEL, "")  # of old files
            used.add(there)
            for number, own in enumerate(place.own):
                found[own] = taken(place, number, tensors[there])
        return found, used

    def _asked_for(self, part: str, found: Tensors) -> dict[str, StoredTensor]:
        """Return what readers of a file ask for and networks do not hold; see `Layout.to_file`."""
        before = self.marks[part]
        if self.ldm is None or part not in self.ldm.encoders:
            return {}
        if not self.ldm.is_open_clip(part):
            return {f"{before}{_TEXT_MODEL}embeddings.position_ids": _positions()}
        last = found[f"{before}ln_final.weight"]
        more = {f"{before}logit_scale": _ones((), last.dtype)}
        if self.ldm.unused is None:
            return more
        old, new = f".{self.ldm.unused - 1}.", f".{self.ldm.unused}."
        more |= {name.replace(old, new): one for name, one in found.items() if old in name}
        return more | {f"{before}text_projection": _ones(last.shape * 2, last.dtype)}


def _of_transformer(names: list[str]) -> dict[str, FilePlace]:
    other_way = mmdit_names.swapped(name.rpartition(".")[0] for name in names)
    return {
        theirs: FilePlace(own, _how(theirs, own, swap=own[0].rpartition(".")[0] in other_way))
        for theirs, own in mmdit_names.to_file(names).items()
    }


def _how(name: str, own: tuple[str, ...], turn: bool = False, swap: bool = False) -> str:
    if len(own) > 1:
        return "stacked"
    return "turned" if turn else "swapped" if swap else "same"


def joined(place: FilePlace, tensors: Tensors) -> StoredTensor:
    """Return a tensor of a file, made of a part's own ones.

    Raises:
        KeyError: One of them is not there.
    """
    import torch

    first, *others = (tensors[name] for name in place.own)
    shape, how = first.shape, place.how
    if how == "stacked":
        each = (first, *others)
        whole = (sum(one.shape[0] for one in each), *shape[1:])
        return StoredTensor(first.dtype, whole, lambda: torch.cat([one.read() for one in each]))
    if how == "kernel":
        return StoredTensor(first.dtype, (*shape, 1, 1), lambda: first.read()[..., None, None])
    if how == "turned":
        return StoredTensor(first.dtype, shape[::-1], lambda: first.read().T.contiguous())
    if how == "swapped":
        return StoredTensor(first.dtype, shape, lambda: _swapped(first.read()))
    return first


def taken(place: FilePlace, number: int, whole: StoredTensor) -> StoredTensor:
    """Return one of a part's own tensors, out of a tensor of a file; the inverse of `joined`."""
    shape, how = whole.shape, place.how
    if how == "stacked":
        size = shape[0] // len(place.own)
        rows = slice(number * size, (number + 1) * size)
        return StoredTensor(whole.dtype, (size, *shape[1:]), lambda: whole.read()[rows].clone())
    if how == "kernel":
        return StoredTensor(whole.dtype, shape[:2], lambda: whole.read().reshape(shape[:2]))
    if how == "turned":
        return StoredTensor(whole.dtype, shape[::-1], lambda: whole.read().T.contiguous())
    if how == "swapped":
        return StoredTensor(whole.dtype, shape, lambda: _swapped(whole.read()))
    return whole


def _swapped(tensor: "Tensor") -> "Tensor":
    import torch

    return torch.cat(tensor.chunk(2)[::-1])


def _positions() -> StoredTensor:
    import torch

    return StoredTensor("I64", (1, 77), lambda: torch.arange(77)[None])


def _ones(shape: tuple[int, ...], dtype: str) -> StoredTensor:
    import torch

    from prep.models.safetensors_file import TYPES

    kind = getattr(torch, TYPES[dtype])
    return StoredTensor(dtype, shape, lambda: torch.ones(shape, dtype=kind))


def _of_unet(layout: Layout) -> ModelLayout:
    return ModelLayout(layout.name, {part: layout.mark(part) for part in layout.parts()}, layout)


# Source: ComfyUI, supported_models.py (SD3) and sd3_clip.py, whose files diffusers reads, too.
_SD35 = ModelLayout(
    "sd35",
    {
        "transformer": mmdit_names.BEFORE,
        "text_encoder": "text_encoders.clip_l.transformer.",
        "text_encoder_2": "text_encoders.clip_g.transformer.",
        "text_encoder_3": "text_encoders.t5xxl.transformer.",
        "vae": ldm_names.PARTS["vae"],
    },
)
LAYOUTS: Mapping[str, ModelLayout] = {
    **{one.name: _of_unet(one) for one in file_layouts.LAYOUTS},
    _SD35.family: _SD35,
}
