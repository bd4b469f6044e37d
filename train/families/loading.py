"""Opening the weights of a model's part: quietly, from this disk only, and never half."""

import importlib
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prep.models import safetensors_file
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.families.folder_weights import spans


def opened(kind: Any, folder: Path, wish: dict[str, Any]) -> Any:
    """Return a part of a base model.

    Args:
        kind: A class with `from_pretrained` of diffusers or transformers.
        folder: The part's own folder.
        wish: Further arguments of `from_pretrained`.

    Raises:
        ModelFileError: The part is missing or damaged, or weights that it needs are not in the
            file (the libraries would fill them with random numbers).
    """
    try:
        with quiet():
            model, found = kind.from_pretrained(
                str(folder), local_files_only=True, output_loading_info=True, **wish
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFileError(
            f"`{folder}` cannot be opened: {why}", "fetch its files again"
        ) from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise _lacking(folder, missing)
    return model


def title(part: str) -> str:
    """Return what a part is called, by the name of its folder."""
    return {"unet": "U-Net", "vae": "VAE"}.get(part, part.replace("_", " "))


def class_of(path: str) -> Any:
    """Return a class by its name with its package, as `transformers.CLIPTextModel`."""
    package, _, name = path.rpartition(".")
    return getattr(importlib.import_module(package), name)


def opened_tokenizer(folder: Path, kind: str = "transformers.CLIPTokenizer") -> Any:
    """Return a tokenizer in a folder of its own.

    Args:
        folder: Holds its files.
        kind: Its class.

    Raises:
        ModelFileError: Its files are missing or damaged.
    """
    try:
        found: Any = class_of(kind).from_pretrained(str(folder), local_files_only=True)
        found("a")
    except Exception as error:  # its files are checked by many hands, with errors of their own
        raise ModelFileError(
            f"the tokenizer in `{folder.parent}` cannot be opened", "fetch its files again"
        ) from error
    return found


def outlined(kind: str, folder: Path) -> tuple[Any, list[str]]:
    """Look whether a part of a base model could be opened, without reading a weight.

    Args:
        kind: Its class of diffusers or transformers.
        folder: The part's own folder.

    Returns:
        The module on the meta device, and the names in its files that it has no weight for, sorted.

    Raises:
        ModelFileError: The config is damaged, or the files lack weights or have others.
    """
    try:
        with quiet():
            module = on_meta(kind, folder)
    except Exception as error:  # configs are checked by many hands, each with errors of its own
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFileError(
            f"`{folder / 'config.json'}` cannot be used: {why}", "fetch its files again"
        ) from error
    known = {name: tuple(one.shape) for name, one in module.state_dict().items()}
    # Two names of one weight, of which files have one.
    tied = set(getattr(module, "_tied_weights_keys", None) or ())
    wanted = {name: shape for name, shape in known.items() if name not in tied}
    places = {_own(name, known): at for name, at in spans(folder).items()}
    if missing := sorted(wanted.keys() - places.keys()):
        raise _lacking(folder, missing)
    for name, shape in sorted(wanted.items()):
        at, file = places[name]
        if at.shape != shape:
            raise ModelFileError(
                f"`{file}` does not fit its config: `{name}` has the shape {at.shape}, "
                f"the config asks for {shape}",
                "fetch its files again",
            )
    for file in sorted({file for _, file in places.values()}):
        made_of = {
            name: at
            for name, (at, there) in places.items()
            if there == file and name in wanted and "position" not in name
        }
        safetensors_file.check_weights(file, made_of)
    return module, sorted(places.keys() - known.keys())


def on_meta(kind: str, folder: Path) -> Any:
    """Return a module as its folder's config describes it, without weights."""
    import torch

    found = class_of(kind)
    with torch.device("meta"):
        if hasattr(found, "load_config"):
            return found.from_config(found.load_config(str(folder)))
        return found(found.config_class.from_pretrained(str(folder)))


def _own(name: str, wanted: Container[str]) -> str:
    """Return the name of a tensor of a file in its module: transformers has dropped a level."""
    plain = name.removeprefix("text_model.")
    return plain if plain in wanted else name


def check_finite(modules: Iterable[tuple[str, Any]], place: Path) -> None:
    """Raise ModelFileError where weights hold NaN or infinite numbers.

    Args:
        modules: Name and module of each part.
        place: The base model, for the message.
    """
    for part, module in modules:
        for name, weight in module.named_parameters():
            if not bool(weight.isfinite().all()):
                raise ModelFileError(
                    f"the {part} of `{place}` holds numbers that are not finite (NaN or "
                    f"infinite), the first in `{name}`",
                    "fetch its files again, or name another base model",
                )


def _lacking(folder: Path, missing: list[str]) -> ModelFileError:
    return ModelFileError(
        f"`{folder}` lacks {counted(len(missing), 'weight')}, the first is `{missing[0]}`",
        "fetch its files again, or name another base model",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' bars and reports off the terminal; what matters is raised above."""
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    before = [log.get_verbosity() for log in (diffusers_log, transformers_log)]
    for log in (diffusers_log, transformers_log):
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        diffusers_log.set_verbosity(before[0])
        transformers_log.set_verbosity(before[1])
