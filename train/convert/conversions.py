"""`train convert`: a base model or a LoRA -> the same in another form."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from prep.models.locate import Models
from prep.models.stored_tensors import StoredTensor
from prep.runtime.console import Console
from prep.runtime.counts import counted, first_few
from prep.runtime.errors import ConfigError, no_such
from train.convert import base_model, lora_forms, lora_modules, write_model, write_weights
from train.convert.base_model import BaseModel
from train.families.peft_metadata import ADAPTER

MODELS, LORAS = ("folder", "file"), ("kohya", "peft", "comfy")


def convert(
    source: str,
    out: Path,
    models: Models,
    console: Console,
    *,
    form: str,
    precision: str | None = None,
    like: str | None = None,
    family: str | None = None,
) -> Path:
    """Write a base model or a LoRA in another form, with its metadata; return its place.

    Args:
        source: Folder or file, or a base model's hub id.
        form: folder or file of a base model; kohya, peft or comfy, of a LoRA.
        precision: fp32, fp16 or bf16; None to leave numbers as they are.
        like: A folder with the settings of a base model that lacks them.
        family: Of a LoRA that does not say it.

    Raises:
        ConfigError: There is no such form, or `out` is there already.
        ModelFileError: The source is damaged, of another kind, or holds NaN.
        ProofError, MachineError: As `write_weights.write_scratch`.
    """
    if form not in (*MODELS, *LORAS):
        raise no_such("form", form, (*MODELS, *LORAS))
    check_place(out, is_file=form != "folder")
    if _is_lora(source, form):
        _convert_lora(lora_modules.opened(Path(source), family), out, form, precision, console)
    else:
        if family is not None:
            raise ConfigError(
                f"`--family` is given, and `{source}` is a base model", "leave it out"
            )
        model = base_model.opened(source, models)
        settings = base_model.opened(like, models) if like else None
        if form == "folder":
            lost = _write_folder(out, model, settings, precision, console)
        else:
            lost = []
            write_model.write_single(out, model, precision)
            for part in not_in_file(model.path, model.parts):
                console.note(f"a file has no place for `{part}` of `{model.name}`")
        _tell_model(model, out, form, lost, console)
    return out


def check_place(out: Path, *, is_file: bool) -> None:
    """Raise ConfigError where an output cannot have this name, or would replace something."""
    if is_file and out.suffix != ".safetensors":
        raise ConfigError(f"`--out` is `{out}`", "give it the ending `.safetensors`")
    if out.exists() or out.is_symlink():
        raise ConfigError(f"`{out}` is there already", "name another place: `--out`")


def _is_lora(source: str, form: str) -> bool:
    """Return whether a source is a LoRA.

    Raises:
        ConfigError: It has no such form.
    """
    path = Path(source)
    if not path.exists():
        return form in LORAS
    is_model = base_model.is_whole_model(path)
    if is_model and form in LORAS:
        raise ConfigError(
            f"`{source}` is a base model, which has no form `{form}`",
            "give `--to folder` or `--to file`",
        )
    if not is_model and form in MODELS and path.is_dir() is False:
        lora_modules.opened(path)  # what it is, if it is none
        raise ConfigError(
            f"`{source}` is a LoRA, which has no form `{form}`",
            f"give `--to` one of {', '.join(LORAS)}",
        )
    return not is_model and form in LORAS


def _convert_lora(
    lora: lora_modules.Lora, out: Path, form: str, precision: str | None, console: Console
) -> None:
    tensors, said = lora_forms.named(lora, form)
    write_weights.write_lora(out, of_lora(tensors, lora.path, precision), said)
    goes = f"; alphas are in its metadata, `{ADAPTER}`" if ADAPTER in said else ""
    console.say(
        f"converted: {out}",
        f"  a LoRA for {lora.family.name} by the names of {form}, "
        f"{counted(len(lora.modules), 'module')}{goes}",
        out=str(out),
        family=lora.family.name,
        form=form,
        modules=len(lora.modules),
    )


def of_lora(
    tensors: Mapping[str, StoredTensor], source: Path, precision: str | None
) -> dict[str, StoredTensor]:
    """Return the tensors of a LoRA in a precision; alphas stay as they are."""
    plain = {name: one for name, one in tensors.items() if not one.shape}
    others = {name: one for name, one in tensors.items() if one.shape}
    exact = write_weights.checked(plain, source)
    return exact | write_weights.checked(others, source, precision)


def _write_folder(
    out: Path, model: BaseModel, like: BaseModel | None, precision: str | None, console: Console
) -> list[str]:
    """Write a folder, and tell what it has from elsewhere; return what had no place in it."""
    settings = like or (model if model.path.is_dir() else None)
    lost = left_out(model)
    write_model.write_folder(out, model, settings, precision)
    for part in sorted(like.parts.keys() - model.parts.keys()) if like else ():
        console.note(f"`{model.name}` lacks `{part}`: it is that of the folder `--like`")
    return lost


def _tell_model(model: BaseModel, out: Path, form: str, lost: list[str], console: Console) -> None:
    if lost:
        console.note(
            f"{counted(len(lost), 'tensor')} of `{model.name}` "
            f"{'has' if len(lost) == 1 else 'have'} no place in a folder: "
            f"{first_few([f'`{name}`' for name in lost])}"
        )
    count = sum(map(len, model.parts.values()))
    console.say(
        f"converted: {out}",
        f"  a model of the kind {model.family.name}, {count} tensors, "
        f"{counted(len(model.metadata), 'entry', 'entries')} of metadata kept",
        out=str(out),
        family=model.family.name,
        form=form,
        left_out=lost,
    )


def not_in_file(place: Path, parts: Collection[str]) -> list[str]:
    """Return the models of a folder that one file has no place for, as a checker of pictures.

    Args:
        parts: Those that are written.
    """
    if not place.is_dir():
        return []
    index = json.loads((place / "model_index.json").read_text(encoding="utf-8"))
    known = ("tokenizer", "scheduler")  # readers of a file have their own
    return sorted(
        word
        for word, value in index.items()
        if isinstance(value, list) and value[:1] != [None]
        if word not in parts and not word.startswith(known)
    )


def left_out(model: BaseModel) -> list[str]:
    """Return the tensors of a file that a folder has no place for.

    What readers of files ask for and every writer makes anew, as positions, is none of them.
    """
    import torch

    if not model.left:
        return []
    anew, found = write_model.single_tensors(model, model.parts), []
    for name, one in sorted(model.left.items()):
        again = anew[name]
        same = again is not one and again.shape == one.shape
        if not (same and torch.equal(again.read().float(), one.read().float())):
            found.append(name)
    return found
