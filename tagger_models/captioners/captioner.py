"""What a captioner is asked and what it answers. Knows no model and no library that runs one."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from prep.images.fitting import Resize

if TYPE_CHECKING:
    from PIL import Image

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
    """Why a picture got no answer this time, and what a person can do about it."""

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


class Captioner(Protocol):
    """Says in words what a picture shows."""

    @property
    def fit(self) -> tuple[Resize, ...]:
        """The steps after which a picture shows it the same: they may be done before."""

    def caption(
        self,
        images: Sequence["Image.Image"],
        prompts: Sequence[str],
        seeds: Sequence[int],
        decoding: Decoding,
    ) -> list[Reply | Trouble]:
        """Return one answer per upright RGB image; the same call gives the same words.

        Args:
            images: In the order of the answers.
            prompts: Per picture, what is asked, or how its caption begins; empty for what the
                captioner is asked usually.
            seeds: Per picture, 63 bits; used only where tokens are drawn.
            decoding: The same for all.
        """
