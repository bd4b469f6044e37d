"""The words of the tiny world for tokenizers: BPE merges for CLIP, word pieces for BERT."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

Pair = tuple[str, str]

START, END = "<|startoftext|>", "<|endoftext|>"
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def byte_letters() -> list[str]:
    """Return the 256 letters that stand for bytes, in the order of CLIP's vocabulary.

    Source:
        `bytes_to_unicode` of openai/gpt-2 and openai/CLIP: printable Latin-1 stands for itself,
        the other bytes follow from code point 256 on.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + n) for n in range(others)]


def merges_for(words: Iterable[str]) -> list[Pair]:
    """Return byte-pair merges, in order, after which each of the (ASCII) words is one token.

    The commonest pair is joined first; ties go to the first pair in alphabetical order.
    """
    spelt = [(*word[:-1], f"{word[-1]}</w>") for word in words]
    merges = []
    while pairs := Counter(pair for parts in spelt for pair in pairwise(parts)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelt = [_joined(parts, best) for parts in spelt]
    return merges


def _joined(parts: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    done: list[str] = []
    rest = list(parts)
    while rest:
        both = tuple(rest[:2]) == pair
        done.append("".join(rest[:2]) if both else rest[0])
        rest = rest[2:] if both else rest[1:]
    return tuple(done)


def clip_vocabulary(merges: Iterable[Pair]) -> dict[str, int]:
    """Return token -> id, laid out as CLIP's: bytes, bytes that end a word, merges, specials."""
    letters = byte_letters()
    endings = [f"{letter}</w>" for letter in letters]
    tokens = [*letters, *endings, *("".join(pair) for pair in merges), START, END]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def bert_vocabulary(words: Iterable[str]) -> list[str]:
    """Return BERT's lines of vocab.txt: specials, whole words, then letters and digits.

    Letters and their `##` continuations spell what is no word of the world.
    """
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = [*letters, *(f"##{letter}" for letter in letters), ",", ".", "-"]
    return list(dict.fromkeys([*BERT_SPECIALS, *words, *pieces]))


def write_clip_tokenizer(folder: Path, words: Iterable[str]) -> dict[str, int]:
    """Write a CLIP tokenizer as the hub's SD 1.x folders have it; return token -> id."""
    merges = merges_for(words)
    vocabulary = clip_vocabulary(merges)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    specials = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {
        **specials,
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_bytes(("\n".join(lines) + "\n").encode())
    write_json(folder / "special_tokens_map.json", specials)
    write_json(folder / "tokenizer_config.json", settings)
    return vocabulary


def write_json(path: Path, value: object) -> None:
    """Write JSON as the hub's files have it: two spaces, a newline at the end, UTF-8."""
    path.write_bytes((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
