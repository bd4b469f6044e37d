"""What a captioner is asked and what it answers. Knows no model and no library that runs one."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT = "Salesforce/blip-image-captioning-large"


class End(StrEnum):
    """How an answer ended."""

    DONE = "done"
    CUT = "cut"  # at the most tokens that were allowed
    REFUSED = "refused"  # the captioner said so itself, apart from the words


@dataclass(frozen=True)
class Reply:
    """The words of a captioner as they came, before any clean-up."""

    text: str
    end: End = End.DONE


@dataclass(frozen=True)
class Trouble:
    """Why a picture got no answer, or one that is no caption, and what a person can do."""

    why: str
    hint: str


@dataclass(frozen=True)
class Decoding:
    """How words are chosen.

    Attributes:
        beams: Width of the beam search; 1 takes the likeliest token each time.
        max_new_tokens: Where an answer that does not end is cut.
        temperature: 0 chooses without chance; above it, tokens are drawn with the picture's seed.
        forbid: Words that no answer may have.
        alone: Each picture is computed by itself: prompts differ, and a batch would make one
            picture's words depend on its neighbours.
    """

    beams: int = 3
    max_new_tokens: int = 75
    temperature: float = 0.0
    forbid: tuple[str, ...] = ()
    alone: bool = False
