"""What a person says of concepts, as YAML: in a file of its own, or in pipelines.yaml below `edit`.

sks girl: {trigger: sks girl, repeats: 20}
girl: {regularisation: true, class_prompt: a girl, weight: 0.5}
"": {trigger: mascot}     # pictures of no sub-folder
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from prep.dataset.concepts import CLASS, MOST_REPEATS
from prep.dataset.sample_fields import MOST_WEIGHT
from prep.runtime import yaml_nodes
from prep.runtime.errors import ConfigError, nearest
from prep.runtime.misfit import Misfit, at
from prep.runtime.schema import limits, read
from prep.runtime.text_files import file_name

USUAL = "concepts.yaml"
_OF_TRAINING = "prior_loss_weight"  # of all class pictures together: an option of `train`


@dataclass(frozen=True)
class ConceptWish:
    """What a person says of one concept; None where the folder's name or an option says it.

    Attributes:
        trigger: The word that calls it.
        class_prompt: What it is one of.
        repeats: How often each picture is seen in an epoch.
        weight: Multiplies the loss of its pictures that have no weight of their own.
        regularisation: Whether its pictures show the class, not the subject.
    """

    trigger: str | None = None
    class_prompt: str = ""
    repeats: int | None = field(default=None, metadata=limits(least=0, most=MOST_REPEATS))
    weight: float | None = field(default=None, metadata=limits(least=0, most=MOST_WEIGHT))
    regularisation: bool | None = None


def wishes(text: str) -> dict[str, ConceptWish]:
    """Return concept -> what is said of it, in the order of the file; empty for no text.

    Raises:
        ConfigError: It is none of these: all mistakes at once, each with its line.
    """
    if not text.strip():
        return {}
    name = file_name(text, USUAL)
    found: dict[str, ConceptWish] = {}
    wrong: list[tuple[str, str]] = []
    for concept, node in yaml_nodes.read(text, name).value.items():
        row: Any = yaml_nodes.plain(node)
        try:
            found[concept] = read(ConceptWish, {} if row is None else row)
        except Misfit as misfit:
            told = at(concept or '""', misfit)
            weighed = isinstance(row, dict) and _OF_TRAINING in row
            hint = "`weight` is what a concept's pictures weigh" if weighed else told.hint
            wrong.append((f"`{name}` line {node.line}{told.sentence({})}", hint))
    if wrong:
        raise ConfigError(*wrong[0], wrong[1:])
    return found


def named(said: Mapping[str, ConceptWish], concepts: Collection[str]) -> dict[str, ConceptWish]:
    """Return what is said by the names of concepts: `girl` means `reg/girl` where none is `girl`.

    Args:
        concepts: Those that folders name.
    """
    found = {}
    for name, wish in said.items():
        of_class = f"{CLASS}/{name}"
        found[name if name in concepts or of_class not in concepts else of_class] = wish
    return found


def check_names(said: Mapping[str, ConceptWish], concepts: Collection[str]) -> None:
    """Raise ConfigError where a concept is spoken of that no picture has."""
    for name in said:
        if name and name not in concepts:
            raise ConfigError(
                f"`concepts` speaks of `{name}`, and no picture is of that concept",
                nearest(name, [one for one in concepts if one]),
            )
