"""What prompts may say: each flag of kohya's scripts is taken, or refused by name."""

import json
from pathlib import Path

import pytest

from prep.runtime.errors import ConfigError
from train.adapters.lora_metadata import CERTIFICATE, calling_words
from train.families import all_families
from train.families.weighted_words import weighted
from train.samples.prompt_files import read
from train.samples.prompts import Prompt, check_drawable, long_prompts, parse

# Every flag of library/train_util.py and gen_img.py at commit 48d368fa -> what it comes to here.
FLAGS = {
    "n no": Prompt("a", "no"), "w 64": Prompt("a", width=64), "h 64": Prompt("a", height=64),
    "d 7": Prompt("a", seed=7), "s 9": Prompt("a", steps=9), "l 3.5": Prompt("a", guidance=3.5),
    "ss euler_a": Prompt("a", sampler="euler_a"), "ow 9": Prompt("a", original_width=9),
    "oh 9": Prompt("a", original_height=9), "ct 8": Prompt("a", crop_top=8),
    "cl 8": Prompt("a", crop_left=8), "W 64": Prompt("a", width=64),
    "g 3": "the guidance that FLUX has built in, which is not here",
    "nl 2": "the negative prompt acts as strongly as the prompt",
    "nw 9": "both prompts are told the same sizes", "nh 9": "both prompts are told the same sizes",
    "t 0.5": "nothing is drawn from another picture",
    "i x.png": "nothing is drawn from another picture",
    "c words": "CLIP does not guide a picture", "cn x.png": "there is no ControlNet",
    "am 1,0.5": "how strongly LoRAs act is said for all prompts",
    "ctr 0.5": "they are of Lumina, which is not here",
    "rcfg 1": "they are of Lumina, which is not here",
    "fs 3": "the base model's scheduler says how far a flow is shifted",
    **dict.fromkeys(
        ("dsd1 1", "dst1 1", "dsd2 1", "dst2 1", "dsr 1"), "there is no deep shrink"
    ),
    **dict.fromkeys(
        ("glt 1", "glr 1", "gle 1", "gls 1", "glsn 1"), "latents do not grow on the way"
    ),
}  # fmt: skip


def test_every_flag_of_kohya_s_scripts_is_taken_or_refused() -> None:
    """None is dropped without a word, as theirs drop what they do not know."""
    found: dict[str, object] = {}
    for said, wanted in FLAGS.items():
        if isinstance(wanted, Prompt):
            found[said] = parse(f"a --{said}", Prompt(""))
        else:
            with pytest.raises(ConfigError) as caught:
                parse(f"a --{said}", Prompt(""))
            found[said] = str(caught.value).partition(" is not taken: ")[2]
            assert caught.value.hint

    assert found == FLAGS


def test_a_flag_that_says_nothing_to_a_model_is_refused() -> None:
    """Sizes are told to XL alone; a WebUI's word for a LoRA is none of a prompt."""
    sd15, sdxl = (all_families()[name] for name in ("sd15", "sdxl"))

    check_drawable(parse("a --ow 64 --ct 8", Prompt("")), sdxl)
    with pytest.raises(ConfigError) as sizes:
        check_drawable(parse("a --ct 8", Prompt("")), sd15)
    with pytest.raises(ConfigError) as word:
        check_drawable(Prompt("a <lora:toy:0.8>"), sdxl)

    assert [(str(one.value), one.value.hint) for one in (sizes, word)] == [
        ("`--ct` says nothing to a model of the kind `sd15`", "leave it out"),
        (
            "`<lora:toy:0.8>` in a prompt is a word of WebUIs",
            "leave it out: `train sample A.safetensors B.safetensors:0.6` draws LoRAs",
        ),
    ]


ROWS = [
    {"prompt": "a cat", "negative_prompt": "dog", "width": 64, "height": 32, "scale": 3.5},
    {"prompt": "a hat", "seed": 7, "sample_steps": 9, "sample_sampler": "k_euler_a"},
]
LINES = "a cat --n dog --w 64 --h 32 --l 3.5\na hat --d 7 --s 9 --ss k_euler_a\n"
TOML = """
[prompt]
prompt = "a cat"
[[prompt.subset]]
negative_prompt = "dog"
width = 64
height = 32
scale = 3.5
[[prompt.subset]]
prompt = "a hat"
seed = 7
sample_steps = 9
sample_sampler = "k_euler_a"
"""


def test_a_list_says_the_same_as_lines(tmp_path: Path) -> None:
    """Kohya's JSON and TOML files of prompts are the lines with other words."""
    texts = {"p.txt": LINES, "p.json": json.dumps(ROWS), "p.toml": TOML}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    one, two, three = (read(tmp_path / name, Prompt("", steps=3)) for name in texts)

    assert one == two == three


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.json", '[{"prompt": "a", "wdth": 8}]', "prompt 1: `wdth` is not known"),
        ("p.json", '[{"prompt": "a", "guidance_scale": 3}]',
         "prompt 1: `--g` is not taken: the guidance that FLUX has built in, which is not here"),
        ("p.json", '[{"prompt": "a", "width": 12}]', "prompt 1: `--w 12` is wrong"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_taken_is_named(tmp_path: Path, name: str, text: str, told: str) -> None:
    """Mistakes in a list are told with their place, as those in lines are."""
    (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError) as caught:
        read(tmp_path / name, Prompt(""))

    assert str(caught.value) == f"`{tmp_path / name}` {told}"


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("p.json", "{", "write a list of objects, or a line each"),
        ("p.json", "3", "write a list of objects, or a line each"),
        ("p.toml", "x = 1", "write `[prompt]` and `[[prompt.subset]]`, or a line each"),
    ],
)
def test_a_list_of_another_shape_is_told(tmp_path: Path, name: str, text: str, hint: str) -> None:
    """A file that is no list of prompts ends in two lines."""
    (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError) as caught:
        read(tmp_path / name, Prompt(""))

    assert str(caught.value).startswith(f"the prompts in `{tmp_path / name}` cannot be read: ")
    assert caught.value.hint == hint


def test_a_prompt_that_is_cut_is_told() -> None:
    """What is longer than the text encoder reads is named, with its number of tokens."""
    assert long_prompts({"a": 225, "": 0}, 225) is None
    assert long_prompts({"a" * 50: 226, "b": 3}, 225) == (
        f"1 prompt has more than 225 tokens; its end is not read: `{'a' * 40}` (226)"
    )


def test_the_words_that_call_a_lora_are_its_letters() -> None:
    """Brackets of a trigger are no weights, unless they were some when it was trained."""
    said = {"modelspec.trigger_phrase": r"toy (of \(a\))"}
    born = {"samples": {}, "config": {"weighted_words": True}}

    words = calling_words(said)

    assert words is not None
    assert weighted(words) == [(r"toy (of \(a\))", 1.0)]
    assert calling_words({**said, CERTIFICATE: json.dumps(born)}) == r"toy (of \(a\))"
    assert calling_words({}) is None
