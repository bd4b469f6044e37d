"""Opening the weights of a model's part: quietly, from this disk only, and never half."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prep.models import safetensors_file
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.families.folder_parts import class_of


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
        with _quiet():
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


def check_outline(
    built: Callable[[Path], Any], weights: Path, own: Callable[[str], str] = str
) -> list[str]:
    """Look whether a part of a base model could be opened, without reading a weight.

    Args:
        built: Makes the part's module from its folder's config.
        weights: The part's file of weights.
        own: A name in that file -> the name in the module.

    Returns:
        The names in the file that the module has no weight for, sorted.

    Raises:
        ModelFileError: The config is damaged, or the file lacks weights or has others.
    """
    import torch

    folder = weights.parent
    try:
        with _quiet(), torch.device("meta"):
            module = built(folder)
        known = {name: tuple(one.shape) for name, one in module.state_dict().items()}
        # Two names of one weight, of which files have one.
        tied = set(getattr(module, "_tied_weights_keys", None) or ())
        wanted = {name: shape for name, shape in known.items() if name not in tied}
    except Exception as error:  # configs are checked by many hands, each with errors of its own
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFileError(
            f"`{folder / 'config.json'}` cannot be used: {why}", "fetch its files again"
        ) from error
    places = {own(name): at for name, at in safetensors_file.header(weights).tensors.items()}
    found = {name: at.shape for name, at in places.items()}
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise _lacking(folder, missing)
    for name, shape in sorted(wanted.items()):
        if found[name] != shape:
            raise ModelFileError(
                f"`{weights}` does not fit its config: `{name}` has the shape {found[name]}, "
                f"the config asks for {shape}",
                "fetch its files again",
            )
    made_of = {name: at for name, at in places.items() if name in wanted}
    safetensors_file.check_weights(
        weights, {n: at for n, at in made_of.items() if "position" not in n}
    )
    return sorted(found.keys() - known.keys())


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
def _quiet() -> Iterator[None]:
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
