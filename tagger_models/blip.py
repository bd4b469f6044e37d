"""A captioner over BLIP in transformers: from a folder, without the network or foreign code."""

import json
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.devices import torch_device
from prep.errors import ModelFileError
from prep.models import Ask, Found

if TYPE_CHECKING:
    from PIL import Image

DEFAULT = "Salesforce/blip-image-captioning-large"
_SAFE = "model*.safetensors"
_PICKLED = "pytorch_model*.bin"
# A folder as the hub publishes it, and as transformers 5 saves it.
_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "*.index.json",
)
_EITHER = (("tokenizer.json", "vocab.txt"), ("preprocessor_config.json", "processor_config.json"))
# BLIP's own marks of where its decoder and encoder begin; few of its tokenizers call them special.
_MARKS = ("[DEC]", "[ENC]")


@dataclass(frozen=True)
class BlipCaptioner:
    """An opened BLIP model with its processor.

    Attributes:
        device: cpu or cuda.
    """

    device: str
    _model: Any
    _processor: Any

    def caption(
        self,
        images: Sequence["Image.Image"],
        beams: int = 3,
        max_new_tokens: int = 75,
        prompt: str = "",
    ) -> list[str]:
        """Return one caption per upright RGB image; nothing is drawn at random.

        A caption is lower case, as BLIP's tokenizer is, without special tokens and without space
        at its ends. It can be empty.

        Args:
            images: In the order of the answers; squashed to the model's square.
            beams: Width of the beam search; 1 takes the likeliest token each time.
            max_new_tokens: Where a caption that does not end is cut; the model's own positions
                are a limit too.
            prompt: What each caption begins with; it is part of the answer.
        """
        import torch

        if not images:
            return []
        texts = [prompt] * len(images) if prompt else None
        inputs = self._processor(images=list(images), text=texts, return_tensors="pt")
        begun = inputs["input_ids"].shape[1] if prompt else 1
        room = self._model.config.text_config.max_position_embeddings - begun - 1
        with _quiet(), torch.inference_mode():
            found = self._model.generate(
                **inputs.to(self.device),
                num_beams=beams,
                max_new_tokens=min(max_new_tokens, room),
                do_sample=False,
            )
        return [self._words(tokens) for tokens in found.tolist()]

    def _words(self, tokens: list[int]) -> str:
        tokenizer = self._processor.tokenizer
        known = tokenizer.get_vocab()
        marks = {known[mark] for mark in _MARKS if mark in known}
        kept = [token for token in tokens if token not in marks]
        words: str = tokenizer.decode(kept, skip_special_tokens=True)
        return words.strip()


def ask_captioner(name: str = DEFAULT) -> Ask:
    """Return what `prep.models` has to find for the captioner called `name`.

    Args:
        name: A hub id, a folder or `tiny`. Pickled weights are taken only from a folder that has
            no safetensors; they are then read with `weights_only`.
    """
    folder = Path(name).expanduser()
    pickled = folder.is_dir() and any(folder.glob(_PICKLED)) and not any(folder.glob(_SAFE))
    weights = _PICKLED if pickled else _SAFE
    return Ask(
        kind="captioner", name=name, patterns=(*_FILES, weights), needs=("config.json", weights)
    )


def open_captioner(found: Found, device: str = "auto") -> BlipCaptioner:
    """Return the captioner of a BLIP folder on this disk, in float32.

    Args:
        found: The folder.
        device: auto, cpu or cuda.

    Raises:
        ModelFileError: The folder is no whole BLIP model.
        MachineError: cuda was asked for and cannot be had.
    """
    place = torch_device(device)
    _check_kind(found.path)
    try:
        with _quiet():
            model, processor, lacking = _loaded(found)
    except pickle.UnpicklingError:
        raise ModelFileError(
            f"the weights in `{found.path}` are a pickle that is damaged or holds more than "
            "weights; it is not opened",
            "use a version of the model that is published as safetensors",
        ) from None
    except Exception as error:  # tokenizers, torch and transformers each have their own
        raise ModelFileError(
            f"`{found.path}` cannot be opened as a BLIP model: {_first_line(error)}",
            "fetch the folder's files again from where the model came from",
        ) from error
    if lacking:
        raise ModelFileError(
            f"`{found.path}` is not complete: its weights lack {lacking[0]}"
            + (f" and {len(lacking) - 1} more" if lacking[1:] else ""),
            "fetch the weights again from where the model came from",
        )
    return BlipCaptioner(device=place, _model=model.to(place).eval(), _processor=processor)


def _check_kind(folder: Path) -> None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelFileError(
            f"`{folder}` is no captioner: its config.json is missing or damaged",
            f"name a BLIP folder, a hub id such as `{DEFAULT}`, or `tiny`",
        ) from None
    for either in _EITHER:  # transformers would make up what is missing, without a word
        if not any((folder / name).is_file() for name in either):
            raise ModelFileError(
                f"`{folder}` is not complete: it has neither {' nor '.join(either)}",
                f"put one of them into `{folder}`, from where the model came from",
            )
    if kind != "blip":
        raise ModelFileError(
            f"`{folder}` is a `{kind}` model, not a `blip` model",
            f"name a BLIP folder, a hub id such as `{DEFAULT}`, or `tiny`",
        )


def _loaded(found: Found) -> tuple[Any, Any, list[str]]:
    """Return model, processor and the names of weights that the files lack."""
    import torch
    from transformers import BlipForConditionalGeneration, BlipProcessor

    folder = str(found.path)
    safe = any(path.suffix == ".safetensors" for path, _, _ in found.files)
    # transformers does not say in its types that the answer is then a pair
    pair: Any = BlipForConditionalGeneration.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=safe,
        weights_only=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    processor = BlipProcessor.from_pretrained(folder, local_files_only=True)
    model, told = pair
    return model, processor, sorted(told["missing_keys"])


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from writing advice for programmers and bars of its own."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(50)  # critical
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
