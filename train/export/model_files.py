"""A fine-tuned model as others load it: a diffusers folder, or one file in the LDM layout.

Each is whole or absent, and is read back before it gets its name.
"""

import copy
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import safetensors_file, single_file, vae
from prep.models.file_layouts import Layout
from prep.runtime import files
from train.adapters.lora_metadata import BORN
from train.export import folder_rest
from train.export.lora_file import Check, ProofError, proven
from train.export.rounding import UNTRAINED, rounded
from train.families import file_marks, loading
from train.families.family import Base
from train.families.folder_weights import spans

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Model:
    """A model that is to be written.

    Attributes:
        source: The folder or file of the base model that it was.
        layout: Of a single file; None where it is written as a folder alone.
        precision: fp32, fp16 or bf16.
        most_shard: Weights of a folder are cut where they are larger, as diffusers does.
    """

    base: Base
    source: Path
    layout: Layout | None
    precision: str = "fp32"
    most_shard: str = "10GB"

    def modules(self) -> dict[str, Any]:
        """Return the network and the text encoders that can learn, by their folders."""
        return {self.base.part: self.base.network, **self.base.encoders}

    def tensors(self, part: str) -> "dict[str, Tensor]":
        """Return a part's tensors as they are written."""
        if part == "vae":
            coder: Any = vae.open_vae(self.source, "cpu")  # its classes are typed only in part
            return rounded(coder.state_dict(), UNTRAINED[self.precision])
        return rounded(self.modules()[part].state_dict(), self.precision)


def write_file(path: Path, model: Model, metadata: Mapping[str, str]) -> None:
    """Publish network, text encoders and the source's VAE as one safetensors file.

    Raises:
        ProofError: It gave back other numbers than it was given; see `export.proven`.
        MachineError: The disk is full.
    """
    layout = _layout(model)
    parts = {part: model.tensors(part) for part in layout.parts()}
    found = file_marks.tensors(model.base.process)
    for part, tensors in parts.items():
        found |= layout.to_file(part, tensors)
    each = {name: safetensors_file.packed(tensor) for name, tensor in found.items()}

    def publish(place: Path, check: Check) -> None:
        with files.replacing(place, check) as scratch:
            files.write_pieces(scratch, safetensors_file.pieces(each, metadata, align=64))

    def check(made: Path) -> None:
        for part, wanted in parts.items():
            _compare(single_file.state(made, layout, part), wanted)

    proven(path, check, publish)


def _layout(model: Model) -> Layout:
    if model.layout is None:
        raise ValueError("a model without a layout is written as a folder alone")
    return model.layout


def write_folder(path: Path, model: Model, metadata: Mapping[str, str]) -> None:
    """Publish a diffusers folder: what was trained, and the rest as the source has it.

    Raises:
        ProofError: It gave back other numbers than it was given; see `export.proven`.
        MachineError: The disk is full.
    """

    def publish(place: Path, check: Check) -> None:
        _write_folder(place, model, metadata, check)

    def check(made: Path) -> None:
        for part in model.modules():
            _compare(_of_folder(made / part), model.tensors(part))

    proven(path, check, publish)


def _write_folder(path: Path, model: Model, metadata: Mapping[str, str], check: Check) -> None:
    scratch = path.with_name(f"{files.SCRATCH}{uuid.uuid4().hex}")
    try:
        with files.disk_errors(path), _said_plainly(), loading.quiet():
            scratch.mkdir(parents=True)
            folder_rest.write(scratch, model.base, model.source, model.layout)
            _write_vae(scratch / "vae", model)
            for part in model.base.frozen:
                folder_rest.copy(model.source / part, scratch / part)
            for part, module in model.modules().items():
                _as_written(module, model.precision).save_pretrained(
                    str(scratch / part), max_shard_size=model.most_shard
                )
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


def _write_vae(folder: Path, model: Model) -> None:
    if model.precision == "fp32" and model.source.is_dir():
        folder_rest.copy(model.source / "vae", folder)
        return
    coder: Any = vae.open_vae(model.source, "cpu")  # once: all of it is read
    _as_written(coder, UNTRAINED[model.precision]).save_pretrained(str(folder))


def _as_written(module: Any, precision: str) -> Any:
    """Return a module in the precision that it is written in; the same one where it is so."""
    import torch

    state = module.state_dict()
    if precision == "fp32" and all(
        one.dtype in (torch.float32, torch.int64) for one in state.values()
    ):
        return module
    kind, config = type(module), copy.deepcopy(module.config)
    with torch.device("meta"):
        made = kind.from_config(config) if hasattr(kind, "load_config") else kind(config)
    made.load_state_dict(rounded(state, precision), assign=True)
    return made


def apply(path: Path, base: Base, layout: Layout | None) -> None:
    """Give the base model that an export was made of the export's numbers."""
    for part, module in Model(base, path, layout).modules().items():
        if layout is not None and path.is_file():
            found = single_file.state(path, layout, part)
        else:
            found = _of_folder(path / part)
        plain = _unprefixed(found)
        module.load_state_dict({name: plain[_plain(name)] for name in module.state_dict()})


def _of_folder(folder: Path) -> "dict[str, Tensor]":
    """Return a part's tensors as they lie in a folder, in one file or in shards."""
    from safetensors.torch import load_file

    found: dict[str, Tensor] = {}
    for file in sorted({file for _, file in spans(folder).values()}):
        found |= load_file(file)
    return found


def _unprefixed(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return tensors by the names of today.

    A text encoder that was read from a file of older names is written with them again.
    """
    return {_plain(name): tensor for name, tensor in tensors.items()}


def _plain(name: str) -> str:
    return name.removeprefix("text_model.")


def _compare(made: "Mapping[str, Tensor]", given: "Mapping[str, Tensor]") -> None:
    found, wanted = _unprefixed(made), _unprefixed(given)
    same = found.keys() == wanted.keys() and all(
        found[name].dtype == value.dtype and bool((found[name] == value).all())
        for name, value in wanted.items()
    )
    if not same:
        raise ProofError("the model reads back as other numbers", "check the disk, run again")


Writer = Callable[[Path, Model, Mapping[str, str]], None]
FORMS: Mapping[str, Writer] = {"folder": write_folder, "file": write_file}
