import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ModelFileError, UserError
from train.adapters import adapter_file, applied
from train.adapters.adapter_file import ALPHA, DOWN, UP
from train.families.sd15 import FAMILY
from train.families.sdxl import FAMILY as SDXL
from train.methods import config_of
from train.run import start
from train.samples import sheet
from train.samples.as_trained import chosen_layer
from train.samples.prompts import Prompt
from train.samples.subject import Subject, subject_of
from train.samples.wish import Wish
from train.weights import explain

Tensors = dict[str, torch.Tensor]
PLACE = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture
def made(meta: Path, tmp_path: Path, models: Models) -> Path:
    """A LoRA of the network alone, at clip skip 2."""
    config = config_of(
        steps=2, rank=2, learning_rate=0.01, out=tmp_path / "runs", name="toy", clip_skip=2
    )
    return start.start([meta], config, models, Console(level=0))


@pytest.fixture
def changed_file(made: Path, tmp_path: Path) -> Callable[..., Path]:
    """The function that writes the LoRA beside itself with further or other tensors."""
    from safetensors.torch import load_file, save_file

    def write(more: Mapping[str, torch.Tensor], **metadata: str) -> Path:
        path = made.with_name("other.safetensors")
        save_file(load_file(made) | dict(more), path, {"ss_clip_skip": "None"} | metadata)
        return path

    return write


def _drawn(
    path: Path, tmp_path: Path, models: Models, **more: Any
) -> tuple[int, list[str], list[str]]:
    out, err = io.StringIO(), io.StringIO()
    prompt = Prompt("mascot", width=32, height=32, steps=2)
    wish = Wish([prompt], more.pop("strengths", [1.0]), [], **more)
    drawn = sheet.sample(
        _subject(path), wish, tmp_path / "s.png", models, Console(out=out, err=err)
    )
    return drawn.code, out.getvalue().splitlines(), err.getvalue().splitlines()


def _ones(*shape: int, **more: Any) -> torch.Tensor:
    return torch.ones(shape, **more)


INTEGERS = (
    "3 tensors are not applied, a LoRA of numbers that are not supported: `I32`: "
    f"the first is `{PLACE}.alpha`"
)
FOREIGN: dict[str, tuple[Tensors, str]] = {
    "LoHa": (
        {f"lora_unet_x_{n}.{word}": _ones(2, 4) for n in range(2) for word in
         ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")}
        | {"lora_unet_x_0.alpha": torch.tensor(1.0)},
        "9 tensors are not applied, LoHa: the first is `lora_unet_x_0.alpha`",
    ),
    "LoKr": (
        {"lora_unet_x.lokr_w1": _ones(2, 2)}, "1 tensor is not applied, LoKr: `lora_unet_x.lokr_w1`"
    ),
    "DoRA": (
        {f"{PLACE}.dora_scale": _ones(4, 1)},
        f"1 tensor is not applied, DoRA: `{PLACE}.dora_scale`",
    ),
    "a bundled embedding": (
        {"bundle_emb.toy.string_to_param.*": _ones(2, 32)},
        "1 tensor is not applied, an embedding: `bundle_emb.toy.string_to_param.*`",
    ),
    "diffusers' layout": (
        {"unet.mid_block.proj.lora_A.weight": _ones(2, 4)},
        "1 tensor is not applied, a LoRA in another layout: `unet.mid_block.proj.lora_A.weight`",
    ),
    "what nobody knows": (
        {"hello": _ones(1)}, "1 tensor is not applied, another kind: `hello`"
    ),
    "integers": (
        {f"{PLACE}.lora_down.weight": _ones(2, 32, dtype=torch.int32)},
        INTEGERS,
    ),
    "an alpha of its own": (
        {"lora_unet_x.alpha": torch.tensor(1.0)},
        "1 tensor is not applied, a pair of a LoRA that is not whole: `lora_unet_x.alpha`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_applied_is_named(
    changed_file: Callable[..., Path], tmp_path: Path, models: Models, name: str, base: Path
) -> None:
    """Case F1: tensors that no picture shows are named with what they are; the exit code is 3."""
    more, told = FOREIGN[name]

    code, out, err = _drawn(changed_file(more), tmp_path, models, base=str(base))

    assert (code, err) == (3, [told])
    count = int(told.split()[0])
    what = "tensor that is" if count == 1 else "tensors that are"
    assert out == [f"drawn: {tmp_path / 's.png'}, without the {count} {what} not applied"]


@pytest.mark.parametrize("name", FOREIGN)
def test_explain_names_them_too(
    changed_file: Callable[..., Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Case F1: `train explain` says what a drawing would leave out."""
    more, told = FOREIGN[name]
    explain.explain(changed_file(more), Console())

    assert told in capsys.readouterr().out.splitlines()


def test_a_file_of_another_method_is_told_as_what_it_is(tmp_path: Path) -> None:
    """Case F1: 40 modules of IA3 and nothing else are no LoRA that can be drawn, in two lines."""
    words = ("weight", "on_input")
    one = safetensors_file.Packed("F32", (1, 1), bytes(4))
    path = tmp_path / "x.safetensors"
    path.write_bytes(
        safetensors_file.dump({f"lora_unet_{n}.{word}": one for n in range(40) for word in words})
    )

    with pytest.raises(ModelFileError) as caught:
        adapter_file.check(path)

    assert (str(caught.value), caught.value.hint) == (
        f"`{path}` is not a LoRA in kohya's layout: its tensors are 40 of IA3, 40 of another kind",
        "name a LoRA",
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_numbers_that_are_none_are_told_and_not_drawn(
    changed_file: Callable[..., Path], tmp_path: Path, models: Models, base: Path,
    value: float, dtype: torch.dtype,
) -> None:  # fmt: skip
    """Case F1: one NaN or infinite number in one tensor, and nothing is drawn: two lines."""
    up = torch.zeros(32, 2, dtype=dtype)
    up[3, 1] = value
    path = changed_file({f"{PLACE}.lora_up.weight": up})

    with pytest.raises(ModelFileError) as caught:
        _drawn(path, tmp_path, models, base=str(base))

    assert str(caught.value) == (
        f"`{path}` holds numbers that are not finite (NaN or infinite) in 1 of its tensors, the "
        f"first is `{PLACE}.lora_up.weight`"
    )
    assert caught.value.hint == "take an earlier export of the run, or fetch the file again"
    assert not (tmp_path / "s.png").exists()
    with pytest.raises(ModelFileError):
        explain.explain(path, Console(level=0))


def test_a_picture_that_is_no_picture_is_not_drawn(
    made: Path, tmp_path: Path, models: Models
) -> None:
    """Case F1: where finite weights end in NaN, the cell stays empty, is named, and it ends in 3.

    Where none of the LoRA's pictures could be drawn it is two lines, and no sheet is there.
    """
    code, out, err = _drawn(made, tmp_path, models, strengths=[1.0, 1e30], each=tmp_path / "each")

    assert code == 3
    assert out == [f"drawn: {tmp_path / 's.png'}, 1 of its 3 pictures is missing"]
    assert err[1:] == ["not drawn: 000 strength 1e+30: mascot / seed 0: NaN or infinite numbers"]
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == [
        "000 base model.png", "000 strength 1.png",
    ]  # fmt: skip
    (tmp_path / "s.png").unlink()
    with pytest.raises(UserError) as caught:
        _drawn(made, tmp_path, models, strengths=[1e30])
    assert str(caught.value) == (
        "the picture came out as numbers that are not finite (NaN or infinite)"
    )
    assert not (tmp_path / "s.png").exists()


def test_a_base_model_with_nan_is_told(base: Path, tmp_path: Path) -> None:
    """Case F1: a base model whose weights hold NaN is refused where it is opened."""
    import shutil

    from safetensors.torch import load_file, save_file

    place = shutil.copytree(base, tmp_path / "base")
    file = place / "unet/diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["conv_in.bias"][0] = float("nan")
    save_file(tensors, file, {"format": "pt"})

    with pytest.raises(ModelFileError) as caught:
        FAMILY.load(place, "cpu")

    assert str(caught.value) == (
        f"the U-Net of `{place}` holds numbers that are not finite (NaN or infinite), the first in "
        "`conv_in.bias`"
    )


def test_a_pair_of_another_shape_is_refused(
    changed_file: Callable[..., Path], tmp_path: Path, models: Models, base: Path
) -> None:
    """Case F1: a LoRA of a wider model whose names are the same is refused, not broken on."""
    path = changed_file({f"{PLACE}.lora_down.weight": _ones(2, 64)})

    with pytest.raises(ModelFileError) as caught:
        _drawn(path, tmp_path, models, base=str(base))

    assert str(caught.value) == (
        f"`{path}` is a LoRA for another kind of model: 1 of its 48 modules has another shape in "
        "this base model"
    )


def test_both_names_of_a_module_of_xl_are_read(tmp_path: Path) -> None:
    """As kohya's scripts name it after single files, and as other trainers do after diffusers."""
    from safetensors.torch import save_file

    place = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    words = ("lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q",
             f"lora_unet_{place.replace('.', '_')}")  # fmt: skip
    folder = SDXL.tiny.write(tmp_path / "xl")
    for word in words:
        path = tmp_path / f"{word}.safetensors"
        pair = {"lora_down.weight": _ones(2, 64), "lora_up.weight": _ones(64, 2)}
        save_file({f"{word}.{ending}": tensor for ending, tensor in pair.items()}, path)

        assert dict(applied.add(path, SDXL.load(folder, "cpu"), SDXL)) == {place: 1.0}


def test_matrices_and_kernels_of_one_pixel_are_the_same(
    made: Path, tmp_path: Path, base: Path
) -> None:
    """Case F1: a file that has a convolution's pair as matrices, or the reverse, acts alike."""
    from safetensors.torch import load_file, save_file

    saved = load_file(made)
    turned = {}
    for name, tensor in saved.items():
        flat = tensor[..., 0, 0] if tensor.ndim == 4 else tensor
        kernel = tensor[..., None, None] if tensor.ndim == 2 else flat
        turned[name] = kernel.contiguous()
    other = tmp_path / "turned.safetensors"
    save_file(turned, other)

    answers = []
    for path in (made, other):
        opened = FAMILY.load(base, "cpu")
        scales = applied.add(path, opened, FAMILY)
        applied.set_strength(opened, scales, 1.0)
        weights = [weight.detach() for weight in opened.learning().values()]
        answers.append((scales, weights))

    assert answers[0][0] == answers[1][0]
    assert all(torch.equal(one, two) for one, two in zip(*(a[1] for a in answers), strict=True))


_NAMES = st.sampled_from(("a", "b")).flatmap(
    lambda word: st.sampled_from(
        (
            DOWN,
            UP,
            ALPHA,
            ".hada_w1_a",
            ".lokr_w1",
            ".dora_scale",
            ".lora_mid.weight",
            ".diff",
            ".x",
        )
    ).map(lambda ending: word + ending)
)
_PLACES = st.dictionaries(
    _NAMES,
    st.tuples(
        st.sampled_from(("F32", "BF16", "I64")), st.sampled_from(((), (1,), (2, 2), (2, 3), (0, 2)))
    ),
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(_PLACES)
def test_every_tensor_is_applied_or_named(places: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """Case F1: whatever a file holds, each tensor is of an applied pair or named, and only once."""
    found = adapter_file.sort({
        name: safetensors_file.TensorSpan(dtype, shape, 0, 0)
        for name, (dtype, shape) in places.items()
    })  # fmt: skip

    def used() -> Iterator[str]:
        for word in found.modules:
            yield from (word + ending for ending in (DOWN, UP))
            if word + ALPHA in places and word + ALPHA not in named:
                yield word + ALPHA

    named = [name for names in found.unread.values() for name in names]
    assert sorted([*named, *used()]) == sorted(places)


@pytest.mark.parametrize(
    ("down", "up", "shown"),
    [
        ("F8_E4M3", "F8_E4M3", "`F8_E4M3`"),
        ("I8", "I8", "`I8`"),
        ("F8_E5M2", "F16", "`F8_E5M2`"),
        ("I8", "U8", "`I8` and `U8`"),
    ],
)
def test_a_lora_of_other_numbers_is_told_as_what_it_is(
    tmp_path: Path, down: str, up: str, shown: str
) -> None:
    """Case F1: a LoRA of fp8 or int8 is whole, and of numbers that are not supported."""
    wide = {"F16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}
    tensors = {
        "lora_unet_a" + DOWN: safetensors_file.Packed(down, (2, 3), bytes(6 * wide[down])),
        "lora_unet_a" + UP: safetensors_file.Packed(up, (3, 2), bytes(6 * wide[up])),
        "lora_unet_a" + ALPHA: safetensors_file.Packed("F32", (), bytes(4)),
    }
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_file.dump(tensors))
    told = f"a LoRA of numbers that are not supported: {shown}"

    with pytest.raises(ModelFileError) as caught:
        adapter_file.check(path)
    assert (str(caught.value), caught.value.hint) == (
        f"`{path}` is {told}",
        "get the version with 16 or 32 bits a number",
    )

    good = {
        "lora_unet_b" + ending: safetensors_file.Packed("F32", (1, 1), bytes(4))
        for ending in (DOWN, UP)
    }
    path.write_bytes(safetensors_file.dump(tensors | good))
    assert adapter_file.check(path).lines() == [
        f"3 tensors are not applied, {told}: the first is `lora_unet_a.alpha`"
    ]


@pytest.mark.parametrize(
    ("said", "wish", "layer", "told"),
    [
        ("None", None, 1, []),
        ("1", None, 1, []),
        ("2", None, 2, ["clip skip 2, as it was trained"]),
        ("2", 1, 1, ["clip skip 1, as you asked; it was trained with 2"]),
        ("2", 2, 2, ["clip skip 2, as you asked"]),
        ("None", 2, 2, ["clip skip 2, as you asked; it was trained with 1"]),
        ("", None, 1, []),
        ("x", 2, 2, ["clip skip 2, as you asked"]),
    ],
)
def test_clip_skip_is_that_of_the_training(
    changed_file: Callable[..., Path], said: str, wish: int | None, layer: int, told: list[str]
) -> None:
    """Case F3: the layer is the one in the file, or the one that was asked for, and it is said."""
    assert chosen_layer(_subject(changed_file({}, ss_clip_skip=said)), wish) == (
        layer,
        told,
    )


@pytest.mark.parametrize("said", ["x", "-3", "2.5", "0", "\u00b2", "\u0663", " 2", "9" * 5000])
def test_a_clip_skip_that_is_no_number_is_not_guessed(
    changed_file: Callable[..., Path], said: str
) -> None:
    """Case F3: what stands in the file and is no layer's number is told, with what to type."""
    path = changed_file({}, ss_clip_skip=said)
    with pytest.raises(ModelFileError) as caught:
        chosen_layer(_subject(path), None)

    assert (str(caught.value), caught.value.hint) == (
        f"the clip skip of `{path}` is `{said[:40]}`, which is not the number of a layer",
        "say which layer to draw it with, from the end: `--clip-skip 1`",
    )


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("sdxl_base_v1-0", "Stable Diffusion XL"),
        ("sd_v2", "Stable Diffusion 2.x"),
        ("sd_v2_v", "Stable Diffusion 2.x"),
        ("flux1", "FLUX"),
    ],
)
def test_a_lora_that_says_it_is_for_another_kind(
    changed_file: Callable[..., Path], tmp_path: Path, models: Models, said: str, kind: str
) -> None:
    """Case F1: a LoRA that names another kind of base model is refused before one is opened."""
    path = changed_file({}, ss_base_model_version=said)
    with pytest.raises(ModelFileError) as caught:
        _drawn(path, tmp_path, models)

    assert (str(caught.value), caught.value.hint) == (
        f"`{path}` is a LoRA for {kind} (`{said}`), and the base model is another kind",
        "name a LoRA for a model of the kind `sd15`",
    )


@pytest.mark.parametrize("said", ["", "None", "sd_v1", "sd_v1_v", "SD 1.5"])
def test_words_of_other_programs_refuse_nothing(
    changed_file: Callable[..., Path], said: str
) -> None:
    """Case F1: where a file does not say what it is for in known words, its modules tell."""
    adapter_file.check_kind(changed_file({}, ss_base_model_version=said), FAMILY)


def test_a_lora_is_drawn_as_it_was_trained(
    made: Path, tmp_path: Path, models: Models, base: Path
) -> None:
    """Case F3: without a word the pictures are those of `--clip-skip 2`, and not of 1."""
    from PIL import Image

    pictures = []
    for number, wish in enumerate((None, 2, 1)):
        folder = tmp_path / str(number)
        _drawn(made, tmp_path, models, clip_skip=wish, each=folder)
        with Image.open(folder / "000 strength 1.png") as one:
            pictures.append(one.tobytes())

    assert pictures[0] == pictures[1] != pictures[2]
    with pytest.raises(UserError) as caught:
        _drawn(made, tmp_path, models, clip_skip=3)
    assert (str(caught.value), caught.value.hint) == (
        f"`--clip-skip` is 3, and the text encoder of `{base}` has 2 layers",
        "give a number from 1 to 2",
    )


def test_a_lora_of_more_layers_than_there_are(
    changed_file: Callable[..., Path], tmp_path: Path, models: Models, base: Path
) -> None:
    """Case F8: a layer that only the file names is not said to be an option of the person's."""
    path = changed_file({}, ss_clip_skip="12")
    with pytest.raises(UserError) as caught:
        _drawn(path, tmp_path, models)

    assert (str(caught.value), caught.value.hint) == (
        f"the clip skip of `{path}` is 12, and the text encoder of `{base}` has 2 layers",
        "name the base model that it was made for: `--base`, or a layer: `--clip-skip`",
    )


def _subject(path: Path) -> Subject:
    return subject_of([str(path)])


def test_a_lora_of_other_names_says_how_it_is_read(tmp_path: Path) -> None:
    """One by diffusers' names is to be converted, not fetched anew."""
    path = tmp_path / "peft.safetensors"
    name = "unet.mid_block.attentions.0.proj_in"
    save_file({f"{name}.lora_A.weight": torch.ones(2, 6)}, path)

    with pytest.raises(ModelFileError) as caught:
        adapter_file.check(path)

    assert caught.value.hint == "write it by kohya's names: `train convert FILE --to kohya`"
