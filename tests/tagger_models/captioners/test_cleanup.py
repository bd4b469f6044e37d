import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger_models.captioners.captioner import End, Reply, Trouble
from tagger_models.captioners.cleanup import (
    bare,
    cleaned,
    forbidden,
    one_line,
    refuses,
    sentences,
    started,
    unfenced,
    unlooped,
    without_forbidden,
    without_half_sentence,
    without_thoughts,
)

CAT = "A black cat sits on a mat."
GIRL = "A girl is asleep beside it now."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (CAT, CAT),
        (f"<think>What is it?\n\nA cat.</think>\n{CAT}", CAT),
        (f"<Thinking>one</Thinking> <think>two</think>{CAT}", CAT),
        (f"It seems to be a cat.\n</think>\n\n{CAT}", CAT),  # the template opened it
        ("<think>It is a cat, no, a", ""),
        (f"{CAT}<think>Was that right", CAT),
        (f"[THINK]mistral thinks[/THINK]{CAT}", CAT),
        (f"<|channel|>analysis<|message|>hm<|end|>{CAT}", CAT),
        ("a < b > c, (think)", "a < b > c, (think)"),
    ],
)
def test_thoughts_are_dropped(text: str, left: str) -> None:
    """What was thought before the answer is no part of it, also where a mark is missing."""
    assert without_thoughts(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"```\n{CAT}\n```", CAT),
        (f"```text\n{CAT}\n```\n", CAT),
        (f"**{CAT}**", CAT),
        (f"## Cat\n{CAT}", f"Cat\n{CAT}"),
        (f"<answer>{CAT}</answer>", CAT),
        (f"<|begin_of_box|>{CAT}<|end_of_box|>", CAT),
        ("a *_* face, ^_^, #1 on a jersey", "a *_* face, ^_^, #1 on a jersey"),
    ],
)
def test_marks_of_a_document_are_dropped(text: str, left: str) -> None:
    """Fences, bold, headings and boxes go; faces made of signs stay."""
    assert unfenced(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (CAT, CAT),
        (f"Sure! {CAT}", CAT),
        (f"Sure! Here is a caption for the image: {CAT}", CAT),
        (f"Certainly, here's a one-sentence description: {CAT}", CAT),
        (f"Okay, so the caption would be: {CAT}", CAT),
        (f"Here\u2019s the description of the picture:\n{CAT}", CAT),
        (f"Caption: {CAT}", CAT),
        (f"The description of the image is: {CAT}", CAT),
        (f'"{CAT}"', CAT),
        (f"\u201c{CAT}\u201d", CAT),
        (f'Caption: "The image shows a black {CAT[8:]}"', CAT),
        ("The image shows a cat.", "A cat."),
        ("the image shows a cat", "a cat"),
        ("This picture appears to be of a cat.", "A cat."),
        ("In this image, there is a cat.", "A cat."),
        ("In the photo we can see two cats.", "Two cats."),
        ("In this image, a cat sleeps.", "A cat sleeps."),
        ("This is an image of a cat.", "A cat."),
        ("I can see a cat.", "A cat."),
        # What only looks like it:
        ("In the picture frame a cat sleeps.", "In the picture frame a cat sleeps."),
        ("Here is a cat: it sleeps.", "Here is a cat: it sleeps."),
        ("Certainly, a girl: red.", "Certainly, a girl: red."),
        ("A sure sign.", "A sure sign."),
        ('"Open" and "closed"', '"Open" and "closed"'),
        ("The image of a saint hangs above.", "The image of a saint hangs above."),
    ],
)
def test_what_leads_to_the_caption_is_dropped(text: str, left: str) -> None:
    """Politeness, labels, quotes and `the image shows` go; a capital letter stays one."""
    assert bare(text) == left


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I\u2019m really sorry, I cannot.",
    "Sorry, I cannot describe this image.",
    "I cannot identify the person in this picture.",
    "I can't provide a description of this image.",
    "I am not able to process this image.",
    "Unfortunately, I am unable to comply.",
    "As an AI, I have no eyes.",
    "As a language model I do not see.",
    "Unable to process the image.",
    "No image was provided.",
    "Please upload the image.",
    "This is a face, but I can't identify who it is.",
    "\u62b1\u6b49\uff0c\u6211\u65e0\u6cd5\u63cf\u8ff0\u3002",
    "\u7533\u3057\u8a33\u3054\u3056\u3044\u307e\u305b\u3093\u304c",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_known(text: str) -> None:
    """An answer that says it will not or cannot is a refusal, in the languages models refuse in."""
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        CAT,
        'A sign that says "I\'m sorry".',
        "A T-shirt with the words I cannot even.",
        "A robot, drawn as an AI would be.",
        "A girl says that she can't help laughing.",
        "A page without an image.",
    ],
)
def test_captions_that_sound_like_refusals(text: str) -> None:
    """A picture may show what a refusal would say."""
    assert not refuses(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (CAT, CAT),
        ("a cat cat cat cat", "a cat"),
        ("very very very good", "very very very good"),
        ("a cat, a very, very, very cat", "a cat, a very, very, very cat"),
        ("a woman with a red hat and a red hat and a red hat", "a woman with a red hat"),
        ("a dog and a cat and a dog and", "a dog and a cat and a dog and"),
        ("white and black and white", "white and black and white"),
        ("red, blue, red, blue, red, blue", "red, blue"),
        (f"{CAT} {GIRL} " * 3, f"{CAT} {GIRL}"),
        (f"{CAT} It is a very dark night. It is a very dark night. It is a very dark night. It is",
         f"{CAT} It is a very dark night."),
        ("one two three four five six seven eight " * 2, "one two three four five six seven eight"),
        ("one two three four five six seven " * 2, "one two three four five six seven " * 2),
    ],
)  # fmt: skip
def test_loops_are_cut(text: str, left: str) -> None:
    """A text that ends in repetitions of itself keeps the first; ordinary repetition stays."""
    assert unlooped(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{CAT} It has a blu", CAT),
        (f'{CAT} It says "No!" and', f'{CAT} It says "No!"'),
        (CAT, CAT),
        ("A girl with a hat, standing in a fi", "A girl with a hat"),
        ("A, girl with a hat standing in a fi", "A, girl with a hat standing in a fi"),
        ("a girl with 1.5 hats", "a girl with 1.5 hats"),
        ("\u732b\u3067\u3059\u3002\u9ed2\u3044", "\u732b\u3067\u3059\u3002"),
        ("", ""),
    ],
)
def test_half_sentences_are_dropped(text: str, left: str) -> None:
    """Of a cut answer the whole sentences stay, else what stands before the last comma."""
    assert without_half_sentence(text) == left


def test_sentences() -> None:
    """Sentences end at their signs, the last one also without; a number's point is none."""
    assert sentences('One. Two 2.5? "Three!" four') == ["One.", "Two 2.5?", '"Three!"', "four"]
    assert sentences("\u4e00\u3002\u4e8c\u3002") == ["\u4e00\u3002", "\u4e8c\u3002"]
    assert sentences(" ") == []


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("watermark", "A cat. It sleeps."),
        ("WATERMARK , sleep", "A cat. It sleeps."),
        ("water", "A cat. There is a watermark. It sleeps."),
        ("sleeps,watermark", "A cat."),
        ("cat, there, it", ""),
        ("", "A cat. There is a watermark. It sleeps."),
    ],
)
def test_sentences_with_forbidden_words_are_dropped(words: str, left: str) -> None:
    """A sentence that has a forbidden word, whole, in any letter case, goes; the rest stays."""
    text = "A cat. There is a watermark. It sleeps."

    assert without_forbidden(text, forbidden(words)) == left


def test_forbidden_words_in_scripts_without_spaces() -> None:
    """Where no space stands between words, a word counts wherever it is."""
    assert without_forbidden("\u9ed2\u732b\u3002\u7a7a\u3002", ("\u732b",)) == "\u7a7a\u3002"


def test_a_list_of_words() -> None:
    """Commas divide, space at the ends does not count, empty ones and repetitions are left out."""
    assert forbidden(" a b ,, c,a b") == ("a b", "c")


@pytest.mark.parametrize(
    ("text", "start", "whole"),
    [
        ("A cat.", "sks cat,", "sks cat, A cat."),
        ("SKS cat, asleep", "sks cat,", "SKS cat, asleep"),
        ("A cat.", " ", "A cat."),
        ("A cat.", "a  photo of", "a photo of A cat."),
    ],
)
def test_a_caption_begins_as_asked(text: str, start: str, whole: str) -> None:
    """What it is to begin with is put before it, once."""
    assert started(text, start) == whole
    assert started(whole, start) == whole


def test_the_rules_together() -> None:
    """An answer full of habits is one clean line."""
    answer = Reply(
        "<think>A cat!</think>Sure! Here is a caption:\n\n```\nThe image shows a cat  on a\nmat. "
        "A watermark is in the corner. It sleeps. It is ver\n```",
        End.CUT,
    )

    assert cleaned(answer, "sks cat,", ("watermark",)) == "sks cat, A cat on a mat. It sleeps."


ASK = "ask otherwise (`--prompt`), the same again (`prep reset`), or write it yourself"


@pytest.mark.parametrize(
    ("answer", "why", "hint"),
    [
        (Reply(""), "the captioner answered nothing", ASK),
        (Reply(" \n"), "the captioner answered nothing", ASK),
        (Reply("The image shows"), "the captioner answered nothing", ASK),
        (
            Reply("<think>a cat, no", End.CUT),
            "the answer has thoughts but no caption",
            "give it room: a larger `--max-new-tokens`",
        ),
        (
            Reply("", End.CUT),  # thoughts that the server keeps to itself took all the tokens
            "the answer was cut before a caption began",
            "give it room: a larger `--max-new-tokens`",
        ),
        (Reply(REFUSALS[0]), f"the captioner refused: `{REFUSALS[0]}`", ASK),
        (Reply("Not this.", End.REFUSED), "the captioner refused: `Not this.`", ASK),
        (Reply("a blur"), "it has a forbidden word: `a blur`", ASK),
        (Reply("a blur " + "b" * 90), f"it has a forbidden word: `a blur {'b' * 70}...`", ASK),
    ],
)
def test_what_is_no_caption(answer: Reply, why: str, hint: str) -> None:
    """An empty answer, a refusal and forbidden words are told with what to do, never written."""
    assert cleaned(answer, "start", ("blur",)) == Trouble(why, hint)


WORDS = st.lists(
    st.sampled_from(
        ["a", "cat", "cat.", "Sure!", "Caption:", "The image shows", "<think>", "</think>", "```",
         "**", '"', "\n", "I'm sorry", "\u3002", "x" * 50, "In this image,", "and", "#"]
    ),
    max_size=30,
).map(" ".join)  # fmt: skip


@given(st.one_of(st.text(), WORDS), st.sampled_from(End), st.sampled_from(["", "sks"]))
@settings(max_examples=300, deadline=None)
def test_any_answer_is_a_line_or_a_reason(text: str, end: End, start: str) -> None:
    """Whatever comes, the result is one line with words, or a reason on one line."""
    found = cleaned(Reply(text, end), start, ("dog",))
    told = found.why if isinstance(found, Trouble) else found

    assert told
    assert told == one_line(told)


@given(st.one_of(st.text(), WORDS))
@settings(max_examples=300, deadline=None)
def test_a_rule_is_done_when_it_is_done(text: str) -> None:
    """A rule changes nothing when it is used on what it made."""
    line = one_line(text)
    for rule in (without_thoughts, one_line):
        assert rule(rule(text)) == rule(text)
    for rule in (bare, unlooped):
        assert rule(rule(line)) == rule(line)


def test_a_long_answer_takes_no_time() -> None:
    """An answer of 20,000 words, or of one mark over and over, is cleaned in a moment."""
    began = time.monotonic()
    for text in ("word another " * 10_000, "<think>" * 5_000, "a. " * 20_000, "```" * 20_000,
                 " ".join(map(str, range(20_000))), "i can't " * 5_000):  # fmt: skip
        cleaned(Reply(text, End.CUT), "", ("never",))

    assert time.monotonic() - began < 5
