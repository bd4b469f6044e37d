"""Base models of a U-Net and CLIP text encoders in a diffusers folder: opened, looked through.

What one family has otherwise than another is in its `ClipUnet`. Letters: B batch, C channels, H and
W height and width of latents, L tokens, D features.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models.clip_tokens import token_counter
from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from train.families import clip_text, loading
from train.families.clip_text import TextReading
from train.families.family import Base, Family, Outline
from train.families.folder_weights import weights_of
from train.families.ldm_file import LdmFile
from train.families.noise_process import Diffusion, Prediction, diffusion_of

if TYPE_CHECKING:
    from train.families.family import Conditioning

UNET = "unet"
# Endings of the names of a U-Net's modules.
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_CONVOLUTIONS = (
    "conv1",
    "conv2",
    "conv_shortcut",
    "time_emb_proj",
    "downsamplers.0.conv",
    "upsamplers.0.conv",
)


@dataclass(frozen=True)
class ClipUnet:
    """What one family has otherwise than another.

    Attributes:
        pipeline: Class of its pipeline in diffusers, as `model_index.json` names it.
        marks: Whether the config of a U-Net is of this family, and not of another one with the
            same pipeline.
        readings: Its text encoders, in the order in which their states stand side by side.
        encoders: Folder of an encoder -> its class in `transformers`.
        prediction: Where the scheduler's config names none.
        file: How it is read from one file; None where it is not.
    """

    pipeline: str
    marks: Callable[[Mapping[str, Any]], bool]
    readings: tuple[TextReading, ...]
    encoders: Mapping[str, str]
    prediction: Prediction
    file: LdmFile | None = None

    def family(self, **own: Any) -> Family:
        """Return the family, with what its own module says of it."""
        usual: dict[str, Any] = {
            "prediction": self.prediction,
            "latent_channels": 4,
            "patterns": self.patterns(),
            "encoders": tuple(self.encoders),
            "lora_targets": (*_ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
            "attention_targets": _ATTENTION,
            "convolution_targets": _CONVOLUTIONS,
            "text_targets": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
            "fits": self.fits,
            "outline": self.outline,
            "layers": self.layers,
            "load": self.load,
            "chunks_at": self.chunks_at,
            "chunks": self.chunks,
            "encode": self.encode,
        }
        return Family(**usual | own)

    def fits(self, place: Path) -> bool:
        """Return whether a folder or file holds a base model of the family."""
        if place.is_file():
            return self.file is not None and self.file.fits(place)
        try:
            index = json.loads(content(place / "model_index.json"))
            unet = json.loads(content(place / UNET / "config.json"))
            same = index.get("_class_name") == self.pipeline and unet.get("in_channels", 4) == 4
            return bool(same and self.marks(unet))
        except (OSError, ValueError, AttributeError):
            return False

    def patterns(self) -> tuple[str, ...]:
        """Return the files that make up a diffusers folder."""
        parts = (UNET, *self.encoders, "vae")
        each = [f"{part}/{name}" for part in parts for name in ("config.json", weights_of(part))]
        tokenizers = [f"{reading.tokenizer}/*" for reading in self.readings]
        return ("model_index.json", *each, *tokenizers, "scheduler/*")

    def load(self, place: Path, device: str, dtype: str = "float32") -> Base:
        """Open a diffusers folder or a single file: everything frozen.

        Raises:
            ModelFileError: A part is missing or damaged, lacks weights, or has some that are NaN.
        """
        modules = {part: self._part(place, part, dtype) for part in (UNET, *self.encoders)}
        for module in modules.values():
            module.to(device).requires_grad_(False).eval()
        told = [(loading.title(part), one) for part, one in modules.items()]
        loading.check_finite(told, place)
        network = modules.pop(UNET)
        # In training mode a U-Net without dropout computes the same; checkpointing asks for it.
        network.train()
        tokenizers = {one.tokenizer: self._tokenizer(place, one.tokenizer) for one in self.readings}
        return Base(network, tokenizers, self._process(place), device, modules)

    def outline(self, place: Path) -> Outline:
        """Look a base model through: all but its weights is opened, of those names and shapes.

        Raises:
            ModelFileError: A part is missing or damaged, or lacks weights.
        """
        tokenizers = {one.tokenizer: self._tokenizer(place, one.tokenizer) for one in self.readings}
        modules: dict[str, Any] = {}
        unread: list[str] = []
        for part in (UNET, *self.encoders):
            if file := self._file(place):
                modules[part] = file.part(place, part, self._kind(part), None)
            else:
                modules[part], others = loading.outlined(self._kind(part), place / part)
                unread += [name for name in others if not name.endswith("position_ids")]
        if file := self._file(place):
            unread = file.unread(place, modules)
        network = modules.pop(UNET)
        base = Base(network, tokenizers, self._process(place), "meta", modules)
        return self._outline(base, unread)

    def _outline(self, base: Base, unread: list[str]) -> Outline:
        first = self.readings[0]

        def tokens(texts: list[str]) -> list[int]:
            return [clip_text.count(base.tokenizers[first.tokenizer], text) for text in texts]

        most = clip_text.MOST_CHUNKS * (_length(base.encoders[first.encoder]) - 2)
        return Outline(tokens, most, tuple(sorted(unread)), base)

    def _kind(self, part: str) -> str:
        """Return the class of the U-Net or of a text encoder."""
        return self.encoders.get(part, "diffusers.UNet2DConditionModel")

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
        length = _length(base.encoders[first.encoder])
        return clip_text.chunks_of(base.tokenizers[first.tokenizer], texts, length)

    def encode(
        self, base: Base, texts: list[str], clip_skip: int = 1, chunks: int = 1
    ) -> "list[Conditioning]":
        """Return {"text": shape (L, D)} of each text, and {"pooled": shape (D,)} where it is used.

        What does not fit the chunks is cut off.

        Args:
            clip_skip: 1 takes the layer that the family takes, 2 the one before it, and so on.

        Source:
            Clip skip as kohya-ss/sd-scripts (commit 48d368fa): an earlier layer's state, then the
            encoder's final normalisation.
        """
        import torch

        found: list[Conditioning] = []
        for text in texts:
            states, pooled = [], None
            for reading in self.readings:
                encoder = base.encoders[reading.encoder]
                tokenizer = base.tokenizers[reading.tokenizer]
                rows = clip_text.rows_of(tokenizer, text, _length(encoder), chunks)
                with torch.set_grad_enabled(base.text_learns()):
                    state_LD, own = clip_text.states_of(
                        encoder, rows, reading.earlier(clip_skip), base.device
                    )
                states.append(state_LD)
                pooled = own if own is not None else pooled
            joined = states[0] if len(states) == 1 else torch.cat(states, dim=-1)
            state = {"text": joined} | ({} if pooled is None else {"pooled": pooled})
            kept = base.text_learns()
            found.append({name: one if kept else one.cpu() for name, one in state.items()})
        return found

    def _file(self, place: Path) -> LdmFile | None:
        """Return how a file is read; None for a folder."""
        return self.file if place.is_file() else None

    def _part(self, place: Path, part: str, dtype: str) -> Any:
        if file := self._file(place):
            return file.part(place, part, self._kind(part), dtype)
        import torch

        kind = loading.class_of(self._kind(part))
        wish: dict[str, Any] = {"use_safetensors": True, "dtype": getattr(torch, dtype)}
        return loading.opened(kind, place / part, wish)

    def _process(self, place: Path) -> Diffusion:
        if file := self._file(place):
            return file.process(place)
        return diffusion_of(place / "scheduler", self.prediction)

    def _tokenizer(self, place: Path, folder: str) -> Any:
        if file := self._file(place):
            return file.tokenizer(folder)
        from transformers import CLIPTokenizer

        try:
            found: Any = CLIPTokenizer.from_pretrained(str(place / folder), local_files_only=True)
            found("a")
        except Exception as error:  # its files are checked by many hands, with errors of their own
            raise ModelFileError(
                f"the tokenizer in `{place}` cannot be opened", "fetch its files again"
            ) from error
        return found


def _length(encoder: Any) -> int:
    """Return how many tokens an encoder reads at once, marks among them."""
    return int(encoder.config.max_position_embeddings)
