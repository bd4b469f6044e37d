"""The family of base models that a LoRA is for, as one of those that are known here."""

from collections.abc import Mapping
from pathlib import Path

from prep.runtime.errors import ModelFileError, no_such
from train.families import all_families
from train.families.family import Family
from train.weights.adapter_family import by_metadata, by_names, by_widths


def family_of(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    metadata: Mapping[str, str],
    wish: str | None = None,
) -> Family:
    """Return the family of a LoRA.

    Args:
        shapes: Of its tensors.
        wish: As a person names it.

    Raises:
        ConfigError: No family is named so.
        ModelFileError: It is of another family than these, or nothing tells its family.
    """
    families = all_families()
    if wish is not None:
        if wish not in families:
            raise no_such("family", wish, families)
        return families[wish]
    said = by_names(shapes) or by_metadata(metadata) or by_widths(shapes)
    if not said:
        raise ModelFileError(
            f"`{path}` does not say for which family of base models it is",
            f"say it: `--family`, one of {', '.join(families)}",
        )
    found = "sd35" if said == "sd3" else said  # no file says more of itself than that
    if found not in families:
        raise ModelFileError(
            f"`{path}` is a LoRA for a model of a kind that is not known here",
            f"known: {', '.join(families)}",
        )
    return families[found]
