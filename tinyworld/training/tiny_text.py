"""Train the text encoder, on texts alone: each state knows which tokens were said so far.

CLIP's text encoder was trained before Stable Diffusion's U-Net, which then found in its states
what a text says. This one is too: to name, from the state at any place, the tokens up to there.
Unknown words stay told apart by their letters, so that a LoRA can learn one of them.

Letters: B batch, L tokens, D features, V words of the vocabulary.
"""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.labels import END, START
from tinyworld.training.base_files import write_tokenizer
from tinyworld.training.slices import Plan, learn
from tinyworld.words import prompt
from tinyworld.world import random_scene

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import CLIPTextModel

WIDTH, TOKENS = 64, 77
_BATCH = 32
PLAN = Plan(steps=1_500, rate=2e-3, average=0.99)


def new_text_encoder(vocabulary: dict[str, int]) -> "CLIPTextModel":
    """Return the untrained text encoder: CLIP's twelve layers at a twelfth of their width."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=12,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=vocabulary[START],
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[END],
        architectures=["CLIPTextModel"],
    )
    return CLIPTextModel(config)


def opened_tokenizer(work: Path) -> Any:
    """Return the world's tokenizer; its files are written below `work`."""
    from transformers import CLIPTokenizer

    write_tokenizer(work)
    return CLIPTokenizer.from_pretrained(str(work / "tokenizer"), local_files_only=True)


def train_text(work: Path, device: str = "cpu") -> "CLIPTextModel":
    """Return the trained text encoder."""
    import torch

    tokenizer = opened_tokenizer(work)
    vocabulary = tokenizer.get_vocab()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(PLAN.seed)
        encoder = new_text_encoder(vocabulary)
        named = torch.nn.Linear(WIDTH, len(vocabulary))
    both = torch.nn.ModuleDict({"encoder": encoder, "named": named}).to(device)

    def loss_of(step: int) -> "Tensor":
        dice = random.Random(f"text:{PLAN.seed}:{step}")
        texts = [prompt(random_scene(dice.randrange(10**6)), dice) for _ in range(_BATCH)]
        tokens_BL = tokenizer(
            texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        ).input_ids.to(device)
        states_BLD = both["encoder"](tokens_BL).last_hidden_state
        # Each fourth place and the last: neighbours say nearly the same, and V is wide.
        places = torch.tensor([*range(0, TOKENS - 1, 4), TOKENS - 1], device=device)
        answer_BLV = both["named"](states_BLD[:, places])
        return (
            torch.nn.functional.binary_cross_entropy_with_logits(
                answer_BLV, said_so_far(tokens_BL, len(vocabulary))[:, places]
            )
            * 100
        )

    learn(both, loss_of, PLAN, work / "text.pt")
    both.cpu().eval()
    return encoder


def said_so_far(tokens_BL: "Tensor", count: int) -> "Tensor":
    """Return which of `count` tokens occur up to each place: (B, L, V), 0 or 1, float32."""
    import torch

    one_hot_BLV = torch.nn.functional.one_hot(tokens_BL, count)
    return one_hot_BLV.cumsum(1).clamp(max=1).float()
