"""The captioners that run on this machine, as rows of data, and how one is opened.

Adding a family is adding a row; whatever transformers knows as an image-text model with a chat
template needs none. Code that comes with a model is never run.
"""

import json
import pickle
from pathlib import Path
from typing import Any

from prep.models.devices import torch_device
from prep.models.locate import Ask, FoundModel
from prep.runtime.errors import ConfigError, ModelFileError
from prep.runtime.files import content
from tagger_models.captioners.captioner import DEFAULT
from tagger_models.captioners.captioner_fit import fit_of
from tagger_models.captioners.families import SERVE, CaptionerFamily, family_of
from tagger_models.captioners.transformers import LocalCaptioner, quiet

_SAFE = "model*.safetensors"
_PICKLED = "pytorch_model*.bin"
# A folder as the hub publishes it, and as transformers 5 saves it.
_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.index.json",
)
_EITHER = (
    ("tokenizer.json", "vocab.txt", "vocab.json"),
    ("preprocessor_config.json", "processor_config.json"),
)


def ask_captioner(name: str = DEFAULT) -> Ask:
    """Return what `prep.models.locate` has to find for the captioner called `name`.

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


def open_captioner(found: FoundModel, preset: str = "", device: str = "auto") -> LocalCaptioner:
    """Return the captioner of a folder on this disk.

    Args:
        found: The folder.
        preset: The preset that a person asked for, if any: only a model that is `asked` takes one.
        device: auto, cpu or cuda.

    Raises:
        ModelFileError: The folder is no whole captioner.
        ConfigError: It cannot be asked a preset.
        MachineError: cuda was asked for and cannot be had.
    """
    place = torch_device(device)
    kind = _kind_of(found.path)
    family = family_of(kind)
    if preset and family.reads != "asked":
        raise ConfigError(
            f"a `{kind}` model cannot be asked what preset `{preset}` asks",
            "leave the preset out; `--prompt` gives it "
            + ("a task" if family.reads == "task" else "words to continue"),
        )
    model, processor, lacking = _opened(found, kind, family)
    if lacking:
        more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
        raise ModelFileError(
            f"`{found.path}` is not complete: its weights lack {lacking[0]}{more}", family.lacking
        )
    if family.reads == "asked" and not getattr(processor, "chat_template", None):
        raise ModelFileError(f"`{found.path}` has no chat template: it cannot be asked", SERVE)
    return LocalCaptioner(family, place, model.to(place).eval(), processor, fit_of(processor))


def _kind_of(folder: Path) -> str:
    try:
        config = json.loads(content(folder / "config.json"))
        kind = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelFileError(
            f"`{folder}` is not a captioner: its config.json is missing or damaged",
            f"name a captioner's folder, a hub id such as `{DEFAULT}`, or `tiny`",
        ) from None
    for either in _EITHER:  # transformers would make up what is missing, without a word
        if not any((folder / name).is_file() for name in either):
            raise ModelFileError(
                f"`{folder}` is not complete: it has neither {' nor '.join(either)}",
                f"put one of them into `{folder}`, from where the model came from",
            )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN,
    )

    if kind not in KNOWN:
        raise ModelFileError(
            f"`{folder}` is a `{kind}` model, not an image-text model of transformers",
            f"name a captioner such as `{DEFAULT}`; if it is one with code of its own, {SERVE}",
        )
    return str(kind)


def _opened(found: FoundModel, kind: str, family: CaptionerFamily) -> tuple[Any, Any, list[str]]:
    """Return model, processor and the names of weights that the files lack."""
    try:
        with quiet():
            return _loaded(found, family)
    except pickle.UnpicklingError:
        raise ModelFileError(
            f"the weights in `{found.path}` are a pickle that is damaged or holds more than "
            "weights; it is not opened",
            "use a version of the model that is published as safetensors",
        ) from None
    except ImportError as error:  # a processor for videos wants torchvision, say
        raise ModelFileError(
            f"a `{kind}` model needs a package that is not installed: {_first_line(error)}", SERVE
        ) from error
    except Exception as error:  # tokenizers, torch and transformers each have their own
        raise ModelFileError(
            f"`{found.path}` cannot be opened as a `{kind}` model: {_first_line(error)}",
            "fetch the folder's files again from where the model came from",
        ) from error


def _loaded(found: FoundModel, family: CaptionerFamily) -> tuple[Any, Any, list[str]]:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = str(found.path)
    safe = any(path.suffix == ".safetensors" for path, _, _ in found.files)
    untyped: Any = AutoProcessor
    # First, since it is small: what it lacks is told before gigabytes are read.
    processor = untyped.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    # transformers does not say in its types that the answer is then a pair
    pair: Any = AutoModelForImageTextToText.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=safe,
        weights_only=True,
        dtype="auto" if family.dtype == "auto" else getattr(torch, family.dtype),
        output_loading_info=True,
    )
    model, told = pair
    queries = getattr(model.config, "num_query_tokens", None)
    if queries and getattr(processor, "num_query_tokens", queries) is None:
        processor.num_query_tokens = queries  # old folders lack it, and no picture would be seen
    return model, processor, sorted(told["missing_keys"])


def _first_line(error: Exception) -> str:
    told = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {told[0].strip() if told else ''}"
