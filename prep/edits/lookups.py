"""What a filter may have to know beside a picture's words: scores by tag, numbers of tokens."""

from collections.abc import Callable, Collection, Mapping, Sequence

from prep.models.locate import Ask, FoundModel
from prep.runtime.errors import ConfigError
from prep.tags.tag_text import spaced
from tagger_models import scores as packed_scores

# What a filter needs of a picture (see prep.edits.filters) -> the artifact that holds it.
ARTIFACTS: Mapping[str, str] = {
    "caption": "caption",
    "key": "key",
    "size": "looks",
    "scores": "scores",
}


def asks(needs: Collection[str], tagger: str) -> tuple[Ask, ...]:
    """Return the models that filters which need `needs` depend on: the tagger's labels.

    Raises:
        ConfigError: Scores are asked for, and no tagger is named.
    """
    if "scores" not in needs:
        return ()
    if not tagger:
        raise ConfigError(
            "`score:` in a filter needs the labels of the tagger that scored",
            "name it: `--tagger`, or `tagger:` below `edit` in pipelines.yaml",
        )
    from tagger_models.profiles.registry import ask_labels

    return (ask_labels(tagger),)


def tags_of_labels(tagger: str, found: Sequence[FoundModel]) -> tuple[str, ...]:
    """Return the tag that each label id of a tagger stands for; empty where none was asked for."""
    if not found:
        return ()
    from tagger_models.profiles.registry import profile
    from tagger_models.vocabulary import read_labels

    return tuple(spaced(label.name) for label in read_labels(found[0], profile(tagger)))


def by_tag(scores: bytes | None, tags: Sequence[str]) -> dict[str, float] | None:
    """Return tag -> probability in [0, 1] of what a tagger kept; None for a picture without."""
    if scores is None:
        return None
    found = packed_scores.unpacked(scores)
    return {tags[index]: score for index, score in found if index < len(tags)}


def token_counter(needs: Collection[str]) -> Callable[[str], int] | None:
    """Return a function from a text to its number of CLIP tokens, where filters need one."""
    if "tokens" not in needs:
        return None
    from prep.models import clip_tokens

    count = clip_tokens.token_counter(None)
    return lambda text: count([text])[0]
