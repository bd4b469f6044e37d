from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from train.families import all_families, sd2, sd15, sdxl
from train.families.clip_family import ClipFamily
from train.families.clip_text import count
from train.families.family import Family
from train.families.weighted_words import has_numbered_weight, has_weight, unweighted, weighted

# Those that read texts by CLIP alone, whose states are read here once more.
KINDS = {"sd15": sd15.KIND, "sd2": sd2.KIND, "sdxl": sdxl.KIND}
every_family = pytest.mark.parametrize("family", all_families().values(), ids=lambda f: f.name)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A tiny base model of every family."""
    top = tmp_path_factory.mktemp("weighted")
    return {name: one.tiny.write(top / name) for name, one in all_families().items()}


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        # As the WebUI's own examples have them.
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [("a ", 1.0), ("house", 1.573), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55),
             (", sun, ", 1.1), ("sky", 1.4641), (".", 1.1)],
        ),
        ("[x", [("x", 1 / 1.1)]),
        ("a) b] c:1.2)", [("a) b] c:1.2)", 1.0)]),
        (r"saber \(fate\), \\o/", [(r"saber (fate), \o/", 1.0)]),
        ("(a:+2) (b:-.5)", [("a", 2.0), (" ", 1.0), ("b", -0.5)]),
        ("", []),
    ],
)  # fmt: skip
def test_the_grammar(text: str, pieces: list[tuple[str, float]]) -> None:
    """Brackets multiply, a number is taken as it is, a backslash makes a bracket a character."""
    found = weighted(text)

    assert [words for words, _ in found] == [words for words, _ in pieces]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in pieces])


def test_only_a_number_is_taken_for_a_weight() -> None:
    """Tags of anime have brackets, and nobody is told of those."""
    assert [has_numbered_weight(one) for one in ("(a:1.2)", "x, (a b:.5)", "(a:-1)")] == [True] * 3
    plain = ("saber (fate)", "saber_(fate)", "(a:b)", r"\(a:1.2\)", ":1.2)", "[a:1.2]", "9:16 (x)")
    assert [has_numbered_weight(one) for one in plain] == [False] * 7
    assert [has_weight(one) for one in plain] == [True, True, True, False, False, True, True]


@every_family
def test_without_brackets_nothing_changes(family: Family, bases: Mapping[str, Path]) -> None:
    """A text without them gives the same bits; with them, other ones only where they are asked."""
    base = family.load(bases[family.name], "cpu")
    for text in ("mascot, red hat", "", "a " * 200):
        (one,) = family.encode(base, [text], chunks=3)
        (two,) = family.encode(base, [text], chunks=3, weighted=True)
        assert all(torch.equal(one[name], two[name]) for name in one), text
    (plain,) = family.encode(base, ["a (hat:1.5)"])
    (heavy,) = family.encode(base, ["a (hat:1.5)"], weighted=True)
    assert not torch.equal(plain["text"], heavy["text"])


def _wanted(kind: ClipFamily, base: Any, place: Path, rows: Mapping[str, Any]) -> torch.Tensor:
    """Return states read with transformers alone: those of each row, marks in between left out."""
    import transformers

    found = []
    for reading in kind.readings:
        name = kind.encoders[reading.encoder].removeprefix("transformers.")
        encoder: Any = getattr(transformers, name).from_pretrained(str(place / reading.encoder))
        states = []
        for row in rows[reading.tokenizer]:
            with torch.no_grad():
                answer = encoder(torch.tensor([row]), output_hidden_states=True)
            layer = answer.hidden_states[-reading.layer][0]
            states.append(answer.last_hidden_state[0] if reading.layer == 1 else layer)
        ends = [states[0][:1], *(one[1:-1] for one in states), states[-1][-1:]]
        found.append(torch.cat(ends) if len(states) > 1 else states[0])
    return torch.cat(found, dim=-1)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("chunks", [1, 3])
def test_each_token_s_state_is_multiplied(
    bases: Mapping[str, Path], name: str, chunks: int
) -> None:
    """In all encoders and chunks, by its word's weight; marks, padding and pooled states are not.

    The states are read with transformers alone, of tokens put together by hand.
    """
    kind, family, place = KINDS[name], all_families()[name], bases[name]
    base = family.load(place, "cpu")
    times = 50 if chunks > 1 else 2  # twice 50 letters and a half: into the second chunk
    text = f"{'a ' * times}({'b ' * times}:1.5)[c]"
    tokenizer = next(iter(base.tokenizers.values()))
    a, b, c = (tokenizer(letter).input_ids[1] for letter in "abc")
    inner = [a] * times + [b] * times + [c]
    weights = [1.0] * times + [1.5] * times + [1 / 1.1]
    rows: dict[str, list[list[int]]] = {}
    for folder, one in base.tokenizers.items():
        begin, end, pad = one.bos_token_id, one.eos_token_id, one.pad_token_id
        rest = [end, *[pad] * 225][: 75 * chunks - len(inner)]
        parts = [(inner + rest)[75 * n : 75 * (n + 1)] for n in range(chunks)]
        ends = [end if part[-1] not in (end, pad) else pad for part in parts]
        starts = [[end, *part[1:]] if part[0] == pad else part for part in parts]
        rows[folder] = [[begin, *p, last] for p, last in zip(starts, ends, strict=True)]
    states = _wanted(kind, base, place, rows)
    factor = torch.ones(len(states))
    factor[1 : 1 + len(weights)] = torch.tensor(weights)

    (found,) = family.encode(base, [text], chunks=chunks, weighted=True)
    plain = family.encode(base, ["a " * times + "b " * times + "c"], chunks=chunks)[0]

    assert found["text"].shape[0] == 75 * chunks + 2
    assert torch.equal(found["text"], states * factor[:, None])
    assert "pooled" not in found or torch.equal(found["pooled"], plain["pooled"])


def test_tokens_are_counted_without_weights(bases: Mapping[str, Path]) -> None:
    """What is counted has as many tokens as the pieces that are read."""
    base = sdxl.FAMILY.load(bases["sdxl"], "cpu")
    tokenizer = next(iter(base.tokenizers.values()))
    for text in ("a (b c:1.3)d, [x] (it)'s 12(34)", r"\(a\) \\ (((x", "(:2) ()", ""):
        pieces = [tokenizer(words).input_ids[1:-1] for words, _ in weighted(text)]
        assert count(tokenizer, unweighted(text)) == sum(map(len, pieces)), text
