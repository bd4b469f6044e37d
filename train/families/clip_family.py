"""Base models with CLIP text encoders in a diffusers folder: opened, looked through.

What one family has otherwise than another is in its `ClipFamily`. Letters: L tokens, D features.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models.clip_tokens import token_counter
from prep.models.latent_space import SD1, LatentSpace
from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from train.families import clip_text, loading
from train.families.clip_text import TextReading
from train.families.diffusion_process import DIFFUSION
from train.families.family import Base, Family, Outline
from train.families.folder_weights import files_of, tokenizer_of
from train.families.ldm_file import LdmFile
from train.families.noise_process import Prediction, Process, ProcessKind

if TYPE_CHECKING:
    from train.families.family import Conditioning


@dataclass(frozen=True)
class ClipFamily:
    """What one family has otherwise than another.

    Attributes:
        pipeline: Class of its pipeline in diffusers, as `model_index.json` names it.
        marks: Whether the config of a network is of this family, and not of another one with the
            same pipeline.
        readings: Its text encoders, in the order in which their states stand side by side.
        encoders: Folder of an encoder -> its class in `transformers`.
        prediction: Where the scheduler's config names none.
        network: Folder and class of what is trained.
        file: How it is read from one file; None where it is not.
        process: The kind of its process.
        space: What its latents are like.
        frozen: Folder of a text encoder that never learns, and that a model may lack -> its class
            and that of its tokenizer, in `transformers`.
    """

    pipeline: str
    marks: Callable[[Mapping[str, Any]], bool]
    readings: tuple[TextReading, ...]
    encoders: Mapping[str, str]
    prediction: Prediction
    network: tuple[str, str]
    file: LdmFile | None = None
    process: ProcessKind = DIFFUSION
    space: LatentSpace = SD1
    frozen: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def family(self, **own: Any) -> Family:
        """Return the family, with what its own module says of it."""
        usual: dict[str, Any] = {
            "prediction": self.prediction,
            "space": self.space,
            "process": self.process,
            "network": self.network[0],
            "patterns": self.patterns(),
            "encoders": tuple(self.encoders),
            "frozen": tuple(self.frozen),
            "optional": files_of(self.frozen, map(tokenizer_of, self.frozen)),
            "text_targets": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
            "fits": self.fits,
            "outline": self.outline,
            "layers": self.layers,
            "load": self.load,
            "chunks_at": self.chunks_at,
            "chunks": self.chunks,
            "encode": self.encode,
            "layout": self.file.layout if self.file else None,
        }
        return Family(**usual | own)

    def fits(self, place: Path) -> bool:
        """Return whether a folder or file holds a base model of the family."""
        if place.is_file():
            return self.file is not None and self.file.fits(place)
        try:
            index = json.loads(content(place / "model_index.json"))
            facts = json.loads(content(place / self.network[0] / "config.json"))
            same = index.get("_class_name") == self.pipeline
            channels = facts.get("in_channels", 4) == self.space.channels
            return bool(same and channels and self.marks(facts))
        except (OSError, ValueError, AttributeError):
            return False

    def patterns(self) -> tuple[str, ...]:
        """Return the files that make up a diffusers folder."""
        parts = (self.network[0], *self.encoders, "vae")
        each = files_of(parts, (reading.tokenizer for reading in self.readings))
        return ("model_index.json", *each, "scheduler/*")

    def load(self, place: Path, device: str, dtype: str = "float32") -> Base:
        """Open a diffusers folder or a single file: everything frozen.

        Raises:
            ModelFileError: A part is missing or damaged, lacks weights, or has some that are NaN.
        """
        frozen = self.frozen_in(place)
        parts = (self.network[0], *self.encoders, *frozen)
        modules = {part: self._part(place, part, dtype) for part in parts}
        for module in modules.values():
            module.to(device).requires_grad_(False).eval()
        told = [(loading.title(part), one) for part, one in modules.items()]
        loading.check_finite(told, place)
        base = self._base(place, device, modules)
        # In training mode a U-Net without dropout computes the same; checkpointing asks for it.
        base.network.train()
        return base

    def _base(self, place: Path, device: str, modules: dict[str, Any]) -> Base:
        """Return a base model of its modules by their folders, with what else belongs to it."""
        apart = {part: modules.pop(part) for part in self.frozen if part in modules}
        readers = [*(one.tokenizer for one in self.readings), *map(tokenizer_of, apart)]
        tokenizers = {folder: self.tokenizer(place, folder) for folder in readers}
        folder, process = self.network[0], self._process(place)
        return Base(modules.pop(folder), tokenizers, process, device, modules, folder, apart)

    def outline(self, place: Path) -> Outline:
        """Look a base model through: all but its weights is opened, of those names and shapes.

        Raises:
            ModelFileError: A part is missing or damaged, or lacks weights.
        """
        frozen = self.frozen_in(place)
        modules: dict[str, Any] = {}
        unread: list[str] = []
        for part in (self.network[0], *self.encoders, *frozen):
            if file := self._file(place):
                modules[part] = file.part(place, part, self._kind(part), None)
            else:
                modules[part], others = loading.outlined(self._kind(part), place / part)
                unread += [name for name in others if not name.endswith("position_ids")]
        if file := self._file(place):
            unread = file.unread(place, modules)
        return self._outline(self._base(place, "meta", modules), unread)

    def _outline(self, base: Base, unread: list[str]) -> Outline:
        first = self.readings[0]

        def tokens(texts: list[str]) -> list[int]:
            return [clip_text.count(base.tokenizers[first.tokenizer], text) for text in texts]

        most = clip_text.MOST_CHUNKS * (clip_text.length_of(base.encoders[first.encoder]) - 2)
        return Outline(tokens, most, tuple(sorted(unread)), base)

    def frozen_in(self, place: Path) -> list[str]:
        """Return the folders of `frozen` that a base model has, by its `model_index.json`.

        Raises:
            ModelFileError: It names one that is not there.
        """
        if not self.frozen or place.is_file():
            return []
        index = json.loads(content(place / "model_index.json"))
        found = [part for part in self.frozen if (index.get(part) or [None])[0] is not None]
        for part in found:
            if not (place / part / "config.json").is_file():
                raise ModelFileError(
                    f"`{place}` has no `{part}`, which its `model_index.json` names",
                    f"fetch it again; to do without, write `[null, null]` at `{part}` there",
                )
        return found

    def layers(self, place: Path) -> int:
        """Return how many layers the first text encoder has; 0 where its files do not tell."""
        if file := self._file(place):
            return file.layers(place)
        try:
            path = place / self.readings[0].encoder / "config.json"
            return int(json.loads(path.read_text(encoding="utf-8"))["num_hidden_layers"])
        except (OSError, ValueError, LookupError, TypeError):
            return 0

    def chunks_at(self, place: Path, texts: list[str]) -> int:
        """Return the same as `chunks`, by the files of the tokenizer alone.

        Raises:
            ModelFileError: The tokenizer is damaged.
        """
        folder = None if place.is_file() else place / self.readings[0].tokenizer
        return clip_text.chunks_for(max(token_counter(folder)(texts), default=0))

    def chunks(self, base: Base, texts: list[str]) -> int:
        """Return into how many chunks of 75 tokens the longest text has to be cut, at most 3."""
        first = self.readings[0]
        length = clip_text.length_of(base.encoders[first.encoder])
        return clip_text.chunks_of(base.tokenizers[first.tokenizer], texts, length)

    def encode(
        self,
        base: Base,
        texts: list[str],
        clip_skip: int = 1,
        chunks: int = 1,
        *,
        weighted: bool = False,
    ) -> "list[Conditioning]":
        """Return {"text": shape (L, D)} of each text, and {"pooled": shape (D,)} where it is used.

        What does not fit the chunks is cut off.

        Args:
            clip_skip: 1 takes the layer that the family takes, 2 the one before it, and so on.
            weighted: The state of each token is multiplied by its word's weight; the pooled state
                is not.

        Source:
            Clip skip and weights as kohya-ss/sd-scripts (commit 48d368fa): an earlier layer's
            state, then the encoder's final normalisation; weighted states are not scaled back.
        """
        how = clip_text.HowRead(self.readings, clip_skip, chunks, weighted)
        with base.reading():
            return clip_text.conditionings(base, texts, how)

    def _file(self, place: Path) -> LdmFile | None:
        """Return how a file is read; None for a folder."""
        return self.file if place.is_file() else None

    def _kind(self, part: str) -> str:
        """Return the class of the network or of a text encoder."""
        kinds = dict([self.network, *self.encoders.items()])
        return kinds[part] if part in kinds else self.frozen[part][0]

    def _part(self, place: Path, part: str, dtype: str) -> Any:
        if file := self._file(place):
            return file.part(place, part, self._kind(part), dtype)
        import torch

        kind = loading.class_of(self._kind(part))
        wish: dict[str, Any] = {"use_safetensors": True, "dtype": getattr(torch, dtype)}
        return loading.opened(kind, place / part, wish)

    def _process(self, place: Path) -> Process:
        if file := self._file(place):
            return file.process(place)
        return self.process.read(place / "scheduler", self.prediction)

    def tokenizer(self, place: Path, folder: str) -> Any:
        """Return a tokenizer by the name of its folder.

        Raises:
            ModelFileError: It is damaged.
        """
        if file := self._file(place):
            return file.tokenizer(folder)
        kinds = {tokenizer_of(part): kind for part, (_, kind) in self.frozen.items()}
        kind = kinds.get(folder, "transformers.CLIPTokenizer")
        return loading.opened_tokenizer(place / folder, kind)
