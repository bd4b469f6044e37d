import io
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, ModelFileError, UserError
from prep.runtime.stopping import obey
from train.adapters import adapter_file
from train.families.diffusion_process import Diffusion
from train.families.noise_process import Prediction
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run import start
from train.samples import sheet
from train.samples.drawer import png
from train.samples.grid import grid
from train.samples.prompt_files import read
from train.samples.prompts import Prompt, parse
from train.samples.sampler import draw, opened_vae
from train.samples.sheet_cells import label
from train.samples.subject import Subject, subject_of
from train.samples.wish import Wish, asked, rows_of, seeds_note

KNOWN = "known: --n, --w, --h, --d, --s, --l, --ss, --ow, --oh, --cl, --ct"


@pytest.fixture
def made(meta: Path, tmp_path: Path, models: Models) -> Path:
    """A LoRA that was learnt fast enough to be seen, text encoder included."""
    config = config_of(
        steps=12, rank=4, learning_rate=0.02, out=tmp_path / "runs", name="toy", batch=2,
        text_encoder=True,
    )  # fmt: skip
    return start.start([meta], config, models, Console(level=0))


def _pixels(picture: Image.Image) -> torch.Tensor:
    return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).float()


def test_a_line_is_read_as_kohya_s_scripts_read_it() -> None:
    """Prompt, then flags in any order; what a line does not say is the usual."""
    usual = Prompt("", negative="bad", steps=9)

    found = parse("a cat--like toy, (red:1.2) --w 256 --l 3.5 --n two words --d 7", usual)

    assert found == Prompt("a cat--like toy, (red:1.2)", "two words", 256, 512, 7, 9, 3.5)


def test_a_file_s_mistakes_come_together(tmp_path: Path) -> None:
    """Every wrong line of a file of prompts is named; comments and empty lines are none."""
    file = tmp_path / "p.txt"
    file.write_text("# ok\n\na --x 1\nb --w 100\nc --s no\n")

    with pytest.raises(ConfigError) as caught:
        read(file, Prompt(""))

    told = [(str(caught.value), caught.value.hint), *caught.value.others]
    assert told == [
        (f"`{file}` line 3: `--x` is not known", KNOWN),
        (f"`{file}` line 4: `--w 100` is wrong", "give a multiple of 8"),
        (f"`{file}` line 5: `--s no` is wrong", "give 1 to 1000"),
    ]


@pytest.mark.parametrize("prediction", [Prediction.EPSILON, Prediction.V_PREDICTION])
def test_a_step_is_ddim_s(base: Path, prediction: Prediction) -> None:
    """Timesteps and each step equal those of diffusers' DDIMScheduler with SD 1.x's settings."""
    from dataclasses import replace

    from diffusers import DDIMScheduler

    kind: Any = DDIMScheduler
    reference = kind(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1, prediction_type=prediction.value,
    )  # fmt: skip
    reference.set_timesteps(7)
    process = replace(FAMILY.load(base, "cpu").process, prediction=prediction)
    latents, answer = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    times = process.falling(7)

    assert times == reference.timesteps.tolist()
    for now, then in zip(times, [*times[1:], None], strict=True):
        wanted = reference.step(answer, now, latents).prev_sample
        # diffusers counts back by 1000 // 7 = 142 from each timestep; the last falls below zero.
        found = process.earlier(latents, answer, now, then)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_picture_is_the_pipeline_s(base: Path) -> None:
    """From the same noise our picture is that of StableDiffusionPipeline with DDIM."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    opened = FAMILY.load(base, "cpu")
    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(base), local_files_only=True)
    kind: Any = DDIMScheduler
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    prompt = Prompt("mascot", "bad", 64, 32, 5, 4, 3.0)
    wanted = pipeline(
        "mascot", negative_prompt="bad", width=64, height=32, num_inference_steps=4,
        guidance_scale=3.0, generator=torch.Generator("cpu").manual_seed(5),
    ).images[0]  # fmt: skip

    found = draw(opened, FAMILY, opened_vae(base, "cpu"), prompt)

    assert found.size == (64, 32)
    assert abs(_pixels(found) - _pixels(wanted)).max() <= 1


def test_a_sheet_has_the_base_model_beside_the_lora(
    made: Path, base: Path, models: Models, tmp_path: Path
) -> None:
    """Strength 0 and the first column are the base model's picture; strength 1 is another one.

    Where a folder for them is named, the same pictures are there alone, one file a cell.
    """
    out = io.StringIO()
    prompts = asked(_subject(made), ["mascot", "mascot, pose 1"], None, {"steps": 3})
    wish = Wish(prompts, [0.0, 1.0], [0, 1], each=tmp_path / "alone")

    made_sheet = sheet.sample(
        _subject(made), wish, tmp_path / "s.png", models, Console(out=out, err=out)
    )

    file = made_sheet.path
    assert made_sheet.code == 0
    assert out.getvalue() == f"drawn: {file}\n"
    with Image.open(file) as drawn:
        assert drawn.size == (160 + 3 * 72 + 8, 18 + 4 * 72 + 8)
        cells = [
            [_pixels(drawn.crop((168 + c * 72, 18 + r * 72, 232 + c * 72, 82 + r * 72)))
             for c in range(3)]
            for r in range(4)
        ]  # fmt: skip
    plain = draw(FAMILY.load(base, "cpu"), FAMILY, opened_vae(base, "cpu"), prompts[0])
    assert torch.equal(cells[0][0], _pixels(plain))
    for row in cells:
        assert torch.equal(row[0], row[1])
        assert (row[0] - row[2]).abs().mean() > 1
    assert not torch.equal(cells[0][0], cells[1][0])
    names = ("base model", "strength 0", "strength 1")
    alone = [[tmp_path / "alone" / f"{r:03d} {name}.png" for name in names] for r in range(4)]
    assert sorted((tmp_path / "alone").iterdir()) == [path for row in alone for path in row]
    for paths, row in zip(alone, cells, strict=True):
        assert all(
            torch.equal(_pixels(Image.open(path)), cell)
            for path, cell in zip(paths, row, strict=True)
        )


def test_the_words_that_call_it_are_drawn_unless_told(made: Path, base: Path) -> None:
    """Without a prompt the trigger is drawn, at the size that most samples had."""
    assert asked(_subject(made), [], None, {}) == [Prompt("mascot", width=64, height=64)]
    assert _subject(made).base() == str(base)


def test_what_does_not_belong_together_is_told(
    made: Path, base: Path, tmp_path: Path, models: Models
) -> None:
    """A LoRA of another model, a LoRA away from its run folder, and no LoRA: two lines each."""
    from safetensors.torch import load_file, save_file

    other = tmp_path / "other.safetensors"
    save_file({"lora_unet_no_such.lora_down.weight": torch.zeros(1, 1)} | load_file(made), other)
    wish = Wish([Prompt("x", width=64, height=64, steps=1)], [1.0], [])
    modules = sum(name.endswith("down.weight") for name in load_file(other))

    def told(path: Path, base: str | None) -> str:
        with pytest.raises(UserError) as caught:
            sheet.sample(
                _subject(path), Wish(wish.prompts, [1.0], [], base), tmp_path / "s.png", models,
                Console(level=0),
            )  # fmt: skip
        assert caught.value.hint
        return str(caught.value)

    assert told(other, None) == (
        f"the base model of `{other}` is not known: it is not in its run folder"
    )
    assert told(other, str(base)) == (
        f"`{other}` is a LoRA for another kind of model: 1 of its {modules} modules is not in "
        "this base model"
    )
    with pytest.raises(ModelFileError):
        adapter_file.check(base / "unet" / "diffusion_pytorch_model.safetensors")


def test_sample_pictures_are_drawn_in_training_and_change_nothing(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Every export of a run has its pictures; the LoRA's bytes are those of a run without."""
    prompts = tmp_path / "p.txt"
    prompts.write_text("mascot --s 2\nmascot, pose 1 --s 2 --d 3\n")
    more = {"steps": 4, "rank": 2, "name": "toy", "save_every_steps": 2, "text_encoder": True}
    plain = config_of(**more, out=tmp_path / "plain")  # type: ignore[arg-type]
    drawn = config_of(**more, out=tmp_path / "drawn", prompts=prompts)  # type: ignore[arg-type]

    one, two = (start.start([meta], config, models, Console(level=0)) for config in (plain, drawn))

    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in (two.parent / "samples").iterdir()) == [
        "toy-00-0.png", "toy-01-3.png",
        "toy-step00000002-00-0.png", "toy-step00000002-01-3.png",
    ]  # fmt: skip


def test_a_line_s_seed_wins() -> None:
    """As its steps and sampler do; seeds of the command are rows for prompts without one."""
    prompts = [parse("a --d 7", Prompt("")), parse("b", Prompt(""))]

    rows = rows_of(Wish(prompts, [1.0], [1, 2]), 64)

    assert [(row.text, row.seed) for row in rows] == [("a", 7), ("b", 1), ("b", 2)]
    assert seeds_note(Wish(prompts, [1.0], [1])) == []
    assert seeds_note(Wish(prompts[:1], [1.0], [])) == []
    assert seeds_note(Wish(prompts[:1], [1.0], [1])) == [
        "`--seed` changes nothing: each prompt says its own by `--d`"
    ]


def test_a_row_says_what_was_asked() -> None:
    """Prompt, negative prompt where there is one, and seed stand beside a row."""
    assert label(Prompt("a cat", seed=3)) == "a cat / seed 3"
    assert label(Prompt("a cat", "dog")) == "a cat / not: dog / seed 0"


def test_labels_are_written_and_cut() -> None:
    """A sheet is white with its pictures in place; a label that is too long ends in dots."""
    cells = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue", "black")]

    sheet = grid(["one", "a label that is far too long"], [("x", ""), ("y", "")], cells)

    assert sheet.size == (160 + 2 * 48 + 8, 18 + 2 * 48 + 8)
    assert [sheet.getpixel((170 + 48 * c, 20 + 48 * r)) for r in (0, 1) for c in (0, 1)] == [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
    ]  # fmt: skip
    assert sheet.getpixel((2, 2)) == (255, 255, 255)
    assert sheet.crop((168, 0, 264, 18)).getcolors(9999) != [(96 * 18, (255, 255, 255))]


def test_a_long_label_keeps_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in dots where lines are missing; its seed stands below; no line meets the picture."""
    lines: list[tuple[float, float, str]] = []
    real = ImageDraw.ImageDraw.text

    def text(pen: Any, at: tuple[float, float], words: str, *more: Any) -> None:
        lines.append((*at, words))
        assert at[0] + more[1].getlength(words) <= 160 or at[1] == 3
        real(pen, at, words, *more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    for height in (64, 40, 16, 200):
        words = "a word of many letters " * 6 + "wordsthatgoonandonwithoutanyspaceatall"
        grid(["one"], [(words, "seed 7")], [Image.new("RGB", (64, height))])

    each = " ".join(words for _, _, words in lines).split("one")[1:]
    assert each[0].rstrip().endswith("... seed 7")
    assert each[1].rstrip().endswith("... seed 7")
    assert each[2].strip() == "seed 7"
    assert each[3].count("word of") == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_draws(
    made: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Case D1: what is drawn is kept, alone and on the sheet; the same command ends as ever."""
    out, alone = io.StringIO(), tmp_path / "alone"
    rows = asked(_subject(made), ["mascot", "mascot, pose 1"], None, {"steps": 3})
    wish = Wish(rows, [1.0], [], each=alone)
    calls: list[int] = []
    earlier = Diffusion.earlier

    def stopping(*words: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:  # within the third of four pictures
            signal.raise_signal(number)
        return earlier(*words)

    with monkeypatch.context() as patch:
        patch.setattr(Diffusion, "earlier", stopping)
        with pytest.raises((KeyboardInterrupt, SystemExit)), obey():
            sheet.sample(
                _subject(made), wish, tmp_path / "s.png", models, Console(out=out, err=out)
            )
    names = ["000 base model.png", "000 strength 1.png"]
    part = [sorted(path.name for path in alone.iterdir()), _cells(tmp_path / "s.png")]
    said = out.getvalue()
    sheet.sample(_subject(made), wish, tmp_path / "s.png", models, Console(level=0))
    whole = _cells(tmp_path / "s.png")

    assert len(calls) == 8
    assert said == f"2 of 4 pictures are drawn: {tmp_path / 's.png'}\n"
    assert part == [names, [*whole[:2], *[bytes([255]) * (64 * 64 * 3)] * 2]]
    assert len(set(whole)) == 4


def _cells(sheet: Path) -> list[bytes]:
    """Return the pictures of a sheet of two rows and two columns."""
    with Image.open(sheet) as drawn:
        corners = [(168 + c * 72, 18 + r * 72) for r in range(2) for c in range(2)]
        return [drawn.crop((x, y, x + 64, y + 64)).tobytes() for x, y in corners]


def test_stopped_before_a_picture(made: Path, tmp_path: Path, models: Models) -> None:
    """Case D1: a sheet that has no picture yet is not written, and the one before it stays."""
    before = png(Image.new("RGB", (8, 8)), "before")
    (tmp_path / "s.png").write_bytes(before)
    wish = Wish(asked(_subject(made), ["mascot"], None, {"steps": 1}), [1.0], [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Diffusion, "earlier", lambda *_: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit), obey():
            sheet.sample(_subject(made), wish, tmp_path / "s.png", models, Console(level=0))

    assert (tmp_path / "s.png").read_bytes() == before


def _subject(path: Path) -> Subject:
    return subject_of([str(path)])
