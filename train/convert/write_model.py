"""A base model written in the other form: a diffusers folder, or one file in the LDM layout."""

import json
import shutil
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prep.models.file_widths import config
from prep.models.stored_tensors import StoredTensor
from prep.runtime import files
from prep.runtime.counts import first_few
from prep.runtime.errors import ConfigError, ModelFileError
from train.adapters.lora_metadata import BORN
from train.convert.base_model import BaseModel
from train.convert.write_weights import checked, write_file, write_scratch
from train.export import folder_rest
from train.export.rehearsal import rehearse
from train.export.rounding import UNTRAINED
from train.families import file_marks, loading
from train.families.folder_weights import weights_of

_TEXT_MODEL = "text_model."


def in_precision(model: BaseModel, precision: str | None) -> dict[str, dict[str, StoredTensor]]:
    """Return a model's parts in a precision; a VAE, which trains nowhere, is rounded less.

    Args:
        precision: fp32, fp16 or bf16; None to leave numbers as they are.
    """
    return {
        part: checked(each, model.path, _of_part(part, precision))
        for part, each in model.parts.items()
    }


def _of_part(part: str, precision: str | None) -> str | None:
    return UNTRAINED[precision] if part == "vae" and precision else precision


def single_tensors(
    model: BaseModel, parts: Mapping[str, Mapping[str, StoredTensor]]
) -> dict[str, StoredTensor]:
    """Return parts of a model as one file holds them; what a file has besides stays.

    Args:
        parts: The model's, perhaps with other numbers.

    Raises:
        ModelFileError: A part is not whole.
    """
    layout, found = model.layout(), dict(model.left)
    for part, each in parts.items():
        try:
            found |= layout.to_file(part, each)
        except (KeyError, IndexError) as error:
            raise ModelFileError(
                f"the {loading.title(part)} of `{model.name}` is not whole: it lacks {error}",
                "fetch it again",
            ) from error
    return found


def write_single(out: Path, model: BaseModel, precision: str | None) -> None:
    """Publish a model as one safetensors file, with its metadata.

    A file keeps all its tensors, those that are of no part, too.

    Raises:
        ConfigError: A file would be another model: it holds no settings and no tokenizers.
        ModelFileError: The model is not whole, or holds NaN.
        ProofError, MachineError: As `write_weights.write_scratch`.
    """
    found = single_tensors(model, in_precision(model, precision))
    found |= checked(model.left, model.path, precision)
    if model.path.is_dir():
        found |= _marks(model)
    write_file(out, found, model.metadata)


def _marks(model: BaseModel) -> dict[str, StoredTensor]:
    """Return what tells the process of a folder's model in a file; refuse one that cannot be."""
    layout = model.layout().ldm
    if layout is None:
        return {}
    base = model.family.outline(model.path).base
    if base is None:
        raise ValueError("a family's outline has no modules")
    try:
        coder = loading.on_meta("diffusers.AutoencoderKL", model.path / "vae")
        rehearse("file", base, coder, model.path, layout)
    except ConfigError as error:
        raise ConfigError(str(error), "keep the folder; a file holds none") from None
    each = file_marks.tensors(base.process)
    return {name: StoredTensor("F32", (0,), partial(each.__getitem__, name)) for name in each}


def write_folder(
    out: Path, model: BaseModel, like: BaseModel | None, precision: str | None
) -> None:
    """Publish a model as a diffusers folder, with its metadata in a file of their own.

    Args:
        like: A folder of the same family that gives settings, tokenizers, schedule and the parts
            that the model lacks; None for those that ship with the package.

    Raises:
        ConfigError: There have to be settings and none are given.
        ModelFileError: Its weights do not fit the settings, or it is not whole, or holds NaN.
        ProofError, MachineError: As `write_weights.write_scratch`.
    """
    parts = in_precision(model, precision)
    scratch = out.with_name(f"{files.SCRATCH}{uuid.uuid4().hex}")
    try:
        with files.disk_errors(out), loading.quiet():
            scratch.mkdir(parents=True)
            if like is None:
                _write_shipped(scratch, model)
            else:
                _write_like(scratch, model, like)
            for part, each in parts.items():
                (scratch / part).mkdir(exist_ok=True)
                named = {_named(part, name): one for name, one in each.items()}
                write_scratch(scratch / part / weights_of(part), named, {"format": "pt"})
            _write_metadata(scratch / BORN, model.metadata)
            model.family.outline(scratch)  # as it will be opened
            for file in sorted(scratch.rglob("*")):
                files.flush(file)
            scratch.replace(out)
            files.flush(out.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _named(part: str, name: str) -> str:
    is_clip = part in ("text_encoder", "text_encoder_2") and not name.startswith("text_projection")
    return _TEXT_MODEL + name if is_clip else name


def _write_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    own = {word: one for word, one in metadata.items() if word != "format"}
    if own:
        text = json.dumps(own, indent=1, ensure_ascii=False, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")


def _write_shipped(scratch: Path, model: BaseModel) -> None:
    """Write what a folder has beside weights as it ships with the package, and fits these weights.

    Raises:
        ConfigError: None ships for the family.
    """
    import diffusers
    import torch

    layout = model.layout().ldm
    if layout is None:
        raise ConfigError(
            f"settings and tokenizers of the kind `{model.family.name}` do not ship with this "
            f"program, and `{model.name}` holds none",
            "name a diffusers folder that has them: `--like FOLDER`",
        )
    base = model.family.outline(model.path).base
    if base is None:
        raise ValueError("a family's outline has no modules")
    folder_rest.write(scratch, base, model.path, layout)
    shapes = {name: one.shape for name, one in model.parts["vae"].items()}
    coder: Any = diffusers.AutoencoderKL  # its classes are typed only in part
    with torch.device("meta"):
        modules = {base.part: base.network, "vae": coder.from_config(config(layout, "vae", shapes))}
    for part, module in (modules | dict(base.encoders)).items():
        if part in base.encoders:
            module.config.architectures = [type(module).__name__]
        save: Any = getattr(module, "save_config", None) or module.config.save_pretrained
        save(str(scratch / part))


def _write_like(scratch: Path, model: BaseModel, like: BaseModel) -> None:
    """Copy what a folder has beside the weights that are written.

    Raises:
        ModelFileError: It is of another family, or its parts have other shapes.
    """
    _check_like(model, like)
    index = json.loads((like.path / "model_index.json").read_text(encoding="utf-8"))
    shutil.copyfile(like.path / "model_index.json", scratch / "model_index.json")
    for part in sorted(word for word, value in index.items() if isinstance(value, list)):
        for file in sorted((like.path / part).rglob("*")):
            is_weights = ".safetensors" in file.name or file.suffix in (".bin", ".msgpack")
            if file.is_file() and not (is_weights and part in model.parts):
                place = scratch / file.relative_to(like.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)


def _check_like(model: BaseModel, like: BaseModel) -> None:
    if like.family is not model.family or not like.path.is_dir():
        raise ModelFileError(
            f"`{like.name}` is not a folder of the kind `{model.family.name}`",
            "name a diffusers folder of the same kind: `--like FOLDER`",
        )
    for part, each in model.parts.items():
        own = {name: one.shape for name, one in each.items()}
        theirs = {name: one.shape for name, one in like.parts.get(part, {}).items()}
        if other := sorted(own.items() ^ theirs.items()):
            names = list(dict.fromkeys(name for name, _ in other))
            raise ModelFileError(
                f"the {loading.title(part)} of `{model.name}` is not that of `{like.name}`: "
                f"{first_few([f'`{name}`' for name in names])}",
                "name a folder of the same model: `--like FOLDER`",
            )
