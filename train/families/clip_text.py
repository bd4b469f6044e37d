"""Texts as CLIP encoders read them: chunks of 75 tokens, a state for each token.

Letters: B batch, L tokens, D features.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py `get_input_ids` and
`get_hidden_states`, library/sdxl_train_util.py: a text of more than 75 tokens is cut into chunks
with a mark at either end of each, and the states are joined without the marks in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prep.models.tokenizer import CHUNKS
from train.config import CHUNK_TOKENS

if TYPE_CHECKING:
    from torch import Tensor

MOST_CHUNKS = len(CHUNKS)
_MARKS = 2  # the tokens at the beginning and the end of every chunk


@dataclass(frozen=True)
class TextReading:
    """How a family reads one of its text encoders.

    Attributes:
        encoder: Its folder in a diffusers model.
        tokenizer: The folder of its tokenizer.
        layer: The layer that is used, from the end; 1: the last.
        normed: Whether the encoder's final normalisation is applied to an earlier layer.
        pooled: Whether its pooled state is used, too: that of the first chunk.
    """

    encoder: str = "text_encoder"
    tokenizer: str = "tokenizer"
    layer: int = 1
    normed: bool = True
    pooled: bool = False

    def earlier(self, clip_skip: int) -> "TextReading":
        """Return the same of an earlier layer: 1 is this one, 2 the one before it, and so on."""
        return replace(self, layer=self.layer + clip_skip - 1)


def chunks_of(tokenizer: Any, texts: Sequence[str], length: int) -> int:
    """Return into how many chunks the longest of some texts has to be cut, 1 to 3.

    Args:
        length: Of a chunk, with its marks.
    """
    return chunks_for(max((count(tokenizer, text) for text in texts), default=0), length - _MARKS)


def chunks_for(tokens: int, inner: int = CHUNK_TOKENS) -> int:
    """Return into how many chunks so many tokens are cut, 1 to 3; `inner` of them fit one."""
    return max(1, min(MOST_CHUNKS, -(-tokens // inner)))


def count(tokenizer: Any, text: str) -> int:
    """Return how many tokens a text is, marks at either end left out."""
    return len(tokenizer(text, verbose=False).input_ids) - _MARKS


def rows_of(tokenizer: Any, text: str, length: int, chunks: int) -> list[list[int]]:
    """Return the tokens of each chunk, marks and padding among them; what is longer is cut off.

    Args:
        length: Of a chunk, with its marks.
    """
    inner = length - _MARKS
    ids: list[int] = tokenizer(
        text, padding="max_length", max_length=inner * chunks + _MARKS, truncation=True,
        verbose=False,
    ).input_ids  # fmt: skip
    if chunks == 1:
        return [ids]
    end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
    rows = []
    for n in range(chunks):
        row = [ids[0], *ids[1 + n * inner : 1 + (n + 1) * inner], ids[-1]]
        if padding != end:
            if row[-2] not in (end, padding):
                row[-1] = end
            if row[1] == padding:
                row[1] = end
        rows.append(row)
    return rows


def states_of(
    encoder: Any, rows: list[list[int]], reading: TextReading, device: str
) -> "tuple[Tensor, Tensor | None]":
    """Return the state of each token, shape (L, D), float32, and the pooled state, (D,), if used.

    Chunks are read one at a time: a batch's size would decide the last bits.
    """
    import torch

    states: list[Tensor] = []
    pooled: Tensor | None = None
    early = reading.layer > 1
    for row in rows:
        answer = encoder(torch.tensor([row], device=device), output_hidden_states=early)
        state_BLD = answer.last_hidden_state
        if early:
            state_BLD = answer.hidden_states[-reading.layer]
            if reading.normed:
                state_BLD = _inner(encoder).final_layer_norm(state_BLD)
        states.append(state_BLD[0].float())
        if reading.pooled and pooled is None:
            pooled = answer.text_embeds[0].float()
    if len(states) == 1:
        return states[0], pooled
    parts = [states[0][:1], *(state_LD[1:-1] for state_LD in states), states[-1][-1:]]
    return torch.cat(parts), pooled


def _inner(encoder: Any) -> Any:
    """Return the network within an encoder: with a projection it is one level down."""
    return getattr(encoder, "text_model", encoder)
