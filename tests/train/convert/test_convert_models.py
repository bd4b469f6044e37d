"""Base models in every form: the same numbers, and what diffusers opens."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models import safetensors_file
from prep.models.locate import Models
from tests.train.convert.conftest import FAMILIES, all_of, equal, error_of
from tests.train.narrow import LAYOUT, write_single
from tests.train.runs import new_console, said
from train.adapters.lora_metadata import BORN
from train.convert.base_model import opened
from train.convert.conversions import convert, not_in_file

Place = Callable[[str], Path]
# Stable Diffusion 2.x has 23 layers of text, and the structure of 1.x: it takes longest.
SOME = [pytest.param(name, marks=[pytest.mark.long] * (name == "sd2")) for name in FAMILIES]


@pytest.mark.parametrize("name", SOME)
def test_folder_file_folder_file_are_the_same_numbers(
    folder_of: Place, file_of: Place, back_of: Place, home: Models, tmp_path: Path, name: str
) -> None:
    """Both ways, tensor by tensor to the bit, and the second file byte by byte.

    Names are those of the exports, which write another way.
    """
    file, again = file_of(name), tmp_path / "again.safetensors"
    convert(str(back_of(name)), again, home, new_console(), form="file")

    wanted = all_of(folder_of(name), home)
    assert len(wanted) > 300
    assert equal(all_of(file, home), wanted)
    assert equal(all_of(back_of(name), home), wanted)
    assert again.read_bytes() == file.read_bytes()
    assert not list(file.parent.glob(".tmp-*"))
    if name in LAYOUT:
        exported = load_file(write_single(name, folder_of(name), tmp_path / "old.safetensors"))
        assert equal(load_file(file) | {"model_ema.decay": exported["model_ema.decay"]}, exported)


def test_a_ckpt_becomes_a_file_with_all_its_tensors(
    folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """Tensors that are of no part, too; the pickle is read by places, not unpacked."""
    ckpt = write_single("sdxl", folder_of("sdxl"), tmp_path / "old.ckpt")
    plain = convert(str(ckpt), tmp_path / "plain.safetensors", home, new_console(), form="file")

    wanted = torch.load(ckpt, weights_only=True)["state_dict"]
    assert equal(load_file(plain), wanted)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.long] * (n != "sd35")) for n in FAMILIES],
)
def test_diffusers_opens_both_forms(
    folder_of: Place, file_of: Place, back_of: Place, home: Models, name: str
) -> None:
    """`from_pretrained` and `from_single_file` have the model's weights, bit for bit."""
    import diffusers

    folder, file, made = folder_of(name), file_of(name), back_of(name)
    kind: Any = getattr(
        diffusers, diffusers.DiffusionPipeline.load_config(str(made))["_class_name"]
    )
    given = {"local_files_only": True}
    both = [
        kind.from_pretrained(str(made), **given),
        kind.from_single_file(str(file), config=str(folder), **given),
    ]
    wanted = opened(str(folder), home).parts
    for pipeline in both:
        for part, each in wanted.items():
            found = {
                word.removeprefix("text_model."): one
                for word, one in getattr(pipeline, part).state_dict().items()
            }
            for word, one in each.items():
                if (name, word) != ("sd35", "text_projection.weight"):  # they put their own there
                    assert torch.equal(found[word], one.read()), (part, word)
    assert both[0].tokenizer.get_vocab() == both[1].tokenizer.get_vocab()


def test_metadata_go_along_and_leftovers_are_named(
    file_of: Place, home: Models, tmp_path: Path
) -> None:
    """What a file says of itself lies in the folder and comes back; what finds no place is told."""
    file, more = tmp_path / "a.safetensors", {"prep_certificate": "{}", "modelspec.title": "\u732b"}
    extra = {"model_ema.x": torch.ones(2), "strange.y": torch.ones(1)}
    save_file(load_file(file_of("sd15")) | extra, file, more)
    console = new_console()

    folder = convert(str(file), tmp_path / "made", home, console, form="folder")
    back = convert(str(folder), tmp_path / "b.safetensors", home, new_console(), form="file")

    assert json.loads((folder / BORN).read_text()) == more
    assert safetensors_file.header(back).metadata == more
    told, noted = said(console)
    assert told.splitlines() == [
        f"converted: {folder}",
        "  a model of the kind sd15, 960 tensors, 2 entries of metadata kept",
    ]
    assert noted == (
        f"2 tensors of `{file}` have no place in a folder: `model_ema.x`, `strange.y`\n"
    )


@pytest.mark.parametrize(("precision", "kind"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_numbers_are_rounded_as_exports_are(
    folder_of: Place, home: Models, tmp_path: Path, precision: str, kind: torch.dtype
) -> None:
    """Every number with a point is in the precision asked for; a VAE is never in bf16."""
    made = tmp_path / "made.safetensors"
    convert(str(folder_of("sd15")), made, home, new_console(), form="file", precision=precision)

    wanted = all_of(folder_of("sd15"), home)
    for name, one in all_of(made, home).items():
        own = torch.float16 if name.startswith("vae/") else kind
        assert torch.equal(one, wanted[name].to(own)), name


def test_numbers_too_large_and_no_numbers_are_refused(
    file_of: Place, home: Models, tmp_path: Path
) -> None:
    """Infinity is never written, and NaN is told with its place; nothing is left behind."""
    name = "model.diffusion_model.out.2.bias"
    for value, precision in ((1e30, "fp16"), (float("nan"), None)):
        file = tmp_path / "a.safetensors"
        save_file(load_file(file_of("sd15")) | {name: torch.full((4,), value)}, file)
        for form, out in (("folder", tmp_path / "made"), ("file", tmp_path / "b.safetensors")):
            told, hint = error_of(
                convert, str(file), out, home, new_console(), form=form, precision=precision
            )
            if precision:
                assert "holds numbers too large for float16, up to 1e+30" in told
                assert hint == "give `--save-precision bf16` or `fp32`"
            else:
                assert told.startswith(f"`{file}` holds numbers that are not finite (NaN or ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_settings_that_do_not_ship_are_asked_for(
    folder_of: Place, file_of: Place, home: Models, tmp_path: Path
) -> None:
    """A file of 3.5 needs a folder beside it; one without text encoders gets that folder's."""
    file, out = file_of("sd35"), tmp_path / "out"
    bare = {n: one for n, one in load_file(file).items() if not n.startswith("text_encoders.")}
    save_file(bare, tmp_path / "bare.safetensors")
    console = new_console()

    told, hint = error_of(convert, str(file), out, home, console, form="folder")
    wrong = error_of(
        convert, str(file), out, home, console, form="folder", like=str(folder_of("sdxl"))
    )
    convert(
        str(tmp_path / "bare.safetensors"), out, home, console, form="folder",
        like=str(folder_of("sd35")),
    )  # fmt: skip

    assert told.startswith("settings and tokenizers of the kind `sd35` do not ship with this")
    assert hint == "name a diffusers folder that has them: `--like FOLDER`"
    assert wrong[0] == f"`{folder_of('sdxl')}` is not a folder of the kind `sd35`"
    assert equal(all_of(out, home), all_of(folder_of("sd35"), home))
    assert "lacks `text_encoder_3`: it is that of the folder `--like`" in said(console)[1]


def test_a_folder_that_a_file_cannot_hold_is_refused(
    base: Path, folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """Other words than CLIP's and other structures are told, for a file says neither."""
    out = tmp_path / "out.safetensors"
    told, hint = error_of(convert, str(base), out, home, new_console(), form="file")

    assert told.startswith(f"`{base}` cannot be written as one file: ")
    assert hint == "keep the folder; a file holds none"
    assert not out.exists()


def test_models_beside_the_parts_are_named(folder_of: Place, home: Models, tmp_path: Path) -> None:
    """A checker of pictures has no place in one file: that is told, nothing is lost unsaid."""
    index = json.loads((folder_of("sd15") / "model_index.json").read_text())
    more = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index | more))

    parts = opened(str(folder_of("sd15")), home).parts
    assert not_in_file(folder_of("sd15"), parts) == []
    assert not_in_file(tmp_path, parts) == ["safety_checker"]
