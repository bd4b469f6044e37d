"""A fine-tuned model as others load it: a diffusers folder, or one file in the LDM layout.

Each is whole or absent, and is read back before it gets its name.
"""

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import ldm_names, safetensors_file, single_file, vae
from prep.runtime import files
from train.export.lora_file import BORN, Check, ProofError, proven
from train.families.family import Base

if TYPE_CHECKING:
    from torch import Tensor


def write_file(path: Path, base: Base, source: Path, metadata: Mapping[str, str]) -> None:
    """Publish network, text encoder and the source's VAE (in float32) as one safetensors file.

    Args:
        source: The base model's folder or file.

    Raises:
        ProofError: It gave back other numbers than it was given; see `export.proven`.
        MachineError: The disk is full.
    """
    import torch

    parts = _parts(base) | {"vae": _vae(source)}
    found: dict[str, Tensor] = {}
    for part, tensors in parts.items():
        for name, tensor in tensors.items():
            kernel = tensor[..., None, None] if ldm_names.is_flat(part, name) else tensor
            found[ldm_names.to_ldm(part, name)] = kernel
    # Older readers ask for them.
    found[ldm_names.PARTS["text_encoder"] + "embeddings.position_ids"] = torch.arange(77)[None]
    each = {name: safetensors_file.packed(tensor) for name, tensor in found.items()}

    def publish(place: Path, check: Check) -> None:
        with files.replacing(place, check) as scratch:
            files.write_pieces(scratch, safetensors_file.pieces(each, metadata, align=64))

    proven(path, lambda made: _check(made, parts), publish)


def write_folder(path: Path, base: Base, source: Path, metadata: Mapping[str, str]) -> None:
    """Publish a diffusers folder: what was trained, and the rest as the source has it.

    Raises:
        ProofError: It gave back other numbers than it was given; see `export.proven`.
        MachineError: The disk is full.
    """

    def publish(place: Path, check: Check) -> None:
        _write_folder(place, base, source, metadata, check)

    proven(path, lambda made: _check_folder(made, base), publish)


def _write_folder(
    path: Path, base: Base, source: Path, metadata: Mapping[str, str], check: Check
) -> None:
    scratch = path.with_name(f"{files.SCRATCH}{uuid.uuid4().hex}")
    try:
        with files.disk_errors(path), _said_plainly():
            scratch.mkdir(parents=True)
            _rest(scratch, source, base)
            for part, module in _modules(base).items():
                module.save_pretrained(str(scratch / part))
            check(scratch)
            text = json.dumps(dict(metadata), indent=1, ensure_ascii=False, sort_keys=True)
            (scratch / BORN).write_text(text + "\n", encoding="utf-8")
            for file in sorted(scratch.rglob("*")):
                files.flush(file)
            if path.is_dir():  # one that did not pass its proof
                shutil.rmtree(path)
            scratch.replace(path)
            files.flush(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Raise the operating system's own error where safetensors wraps it as another."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error


def _modules(base: Base) -> dict[str, Any]:
    return {base.part: base.network, **base.encoders}


def _parts(base: Base) -> "dict[str, dict[str, Tensor]]":
    return {part: dict(module.state_dict()) for part, module in _modules(base).items()}


def _vae(source: Path) -> "dict[str, Tensor]":
    """Return the VAE's tensors of a base model, by diffusers' names of today."""
    coder: Any = vae.open_vae(source, "cpu")  # its classes are typed only in part
    return dict(coder.state_dict())


def _rest(scratch: Path, source: Path, base: Base) -> None:
    """Give a folder everything that is not trained: VAE, tokenizer, schedule, index."""
    if source.is_dir():
        for name in ("vae", *base.tokenizers, *base.frozen, "scheduler"):
            _copy(source / name, scratch / name)
        shutil.copyfile(source / "model_index.json", scratch / "model_index.json")
        return
    shipped = single_file.shipped()
    (scratch / "scheduler").mkdir()
    for name in ("model_index.json", "scheduler/scheduler_config.json"):
        (scratch / name).write_bytes((shipped / name).read_bytes())
    base.tokenizers["tokenizer"].save_pretrained(str(scratch / "tokenizer"))
    coder: Any = vae.open_vae(source, "cpu")
    coder.save_pretrained(str(scratch / "vae"))


def _copy(source: Path, target: Path) -> None:
    """Copy a folder's files; a full disk is told as that, not as a list of what was not copied."""
    for file in sorted(source.rglob("*")):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def apply(path: Path, base: Base) -> None:
    """Give the base model that an export was made of the export's numbers."""
    for part, module in _modules(base).items():
        found = _unprefixed(_saved(path, part))
        module.load_state_dict({name: found[_plain(name)] for name in module.state_dict()})


def _check(path: Path, parts: "Mapping[str, Mapping[str, Tensor]]") -> None:
    for part, wanted in parts.items():
        _compare(_saved(path, part), wanted)


def _check_folder(path: Path, base: Base) -> None:
    for part, wanted in _parts(base).items():
        _compare(_unprefixed(_saved(path, part)), _unprefixed(wanted))


def _saved(path: Path, part: str) -> "dict[str, Tensor]":
    """Return a part's tensors as they lie in an export."""
    from safetensors.torch import load_file

    if path.is_file():
        return single_file.state(path, part)
    (weights,) = (path / part).glob("*.safetensors")
    return load_file(weights)


def _unprefixed(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return tensors by the names of today.

    A text encoder that was read from a file of older names is written with them again.
    """
    return {_plain(name): tensor for name, tensor in tensors.items()}


def _plain(name: str) -> str:
    return name.removeprefix("text_model.")


def _compare(found: "Mapping[str, Tensor]", wanted: "Mapping[str, Tensor]") -> None:
    same = found.keys() == wanted.keys() and all(
        bool((found[name] == value.to("cpu")).all()) for name, value in wanted.items()
    )
    if not same:
        raise ProofError("the model reads back as other numbers", "check the disk, run again")


Writer = Callable[[Path, Base, Path, Mapping[str, str]], None]
FORMS: Mapping[str, Writer] = {"folder": write_folder, "file": write_file}
