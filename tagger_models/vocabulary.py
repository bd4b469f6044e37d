"""The labels that scores are of, and the thresholds that come with them: one tagger's, or two's."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from prep.models.locate import Ask
from prep.runtime.errors import ModelFileError
from tagger_models.ensemble import Both, Tagger, joined
from tagger_models.labels.csv_files import READERS, text_of
from tagger_models.labels.label import Label
from tagger_models.profiles.own_files import default_thresholds
from tagger_models.profiles.registry import ask_labels, profile

if TYPE_CHECKING:
    from prep.models.locate import FoundModel
    from tagger_models.profiles.profile import Profile


def asks(model: str, second: str = "") -> tuple[Ask, ...]:
    """Return where the labels are: no weights are read.

    Args:
        model: The tagger.
        second: The one whose scores are combined with it; empty for none.

    Raises:
        ConfigError, ModelFileError: As for `registry.profile`.
    """
    return tuple(ask_labels(name) for name in (model, second) if name)


def vocabulary(
    model: str, second: str, found: Sequence["FoundModel"]
) -> tuple[tuple[Label, ...], Mapping[str, float]]:
    """Return the labels, in the order of the scores' ids, and category -> least probability.

    Args:
        model: The tagger.
        second: The one that is combined with it; empty for none.
        found: What `asks` led to.

    Raises:
        ModelFileError: A label file, or a file of thresholds, is not as it has to be.
    """
    if second:
        both = of_two((model, second), found)
        return both.labels, both.thresholds
    row = profile(model)
    return read_labels(found[0], row), default_thresholds(found[0], row)


def of_two(names: tuple[str, str], found: Sequence["FoundModel"]) -> Both:
    """Return the vocabularies of two taggers as one; see `vocabulary`."""
    first, second = (
        Tagger(*vocabulary(name, "", [one])) for name, one in zip(names, found, strict=True)
    )
    return joined(first, second)


def read_labels(found: "FoundModel", row: "Profile") -> tuple[Label, ...]:
    """Return the labels of a model on this disk.

    Raises:
        ModelFileError: The label file is missing, not UTF-8, or not as the row says.
    """
    text, path = text_of(found, row.files[1])
    if text is None:
        raise ModelFileError(
            f"`{found.path}` has no label file beside it", f"put `{row.files[1]}` there"
        )
    return _labels(row.label_format, text, path)


@lru_cache(2)  # several stages of one run ask for those of the same taggers
def _labels(form: str, text: str, path: str) -> tuple[Label, ...]:
    return READERS[form](text, path)
