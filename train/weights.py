"""Opening the weights of a model's part: quietly, from this disk only, and never half."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prep.errors import ModelFileError


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
        raise ModelFileError(
            f"`{folder}` lacks {len(missing)} weights, the first is `{missing[0]}`",
            "fetch its files again, or name another base model",
        )
    return model


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
