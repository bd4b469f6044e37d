"""What is drawn: LoRAs together, whole models, grids; and what the files of pictures say."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.conftest import build_dataset
from tests.train.narrow import write_single
from tests.train.runs import lora, new_console, said
from train.adapters import applied
from train.cli.app import main
from train.families.sd15 import FAMILY
from train.samples import grid as sheet_grid
from train.samples.drawer import png
from train.samples.picture_text import Shown, ShownLora, is_of, written
from train.samples.prompts import Prompt
from train.samples.sampler import draw, opened_vae
from train.samples.sheet import sample
from train.samples.subject import Subject, subject_of
from train.samples.wish import Wish, asked

PROMPT = Prompt("mascot", "bad", 64, 64, 5, 2, 3.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, Path]:
    """Exports of two LoRAs, one of them with clip skip 2 and its own pictures, and of a model."""
    top = tmp_path_factory.mktemp("runs")
    meta = build_dataset(top / "data", base)
    models = Models(top / "home", offline=True)
    prompts = top / "p.txt"
    prompts.write_text("mascot --n bad --d 5 --s 2 --l 3\n")
    usual: dict[str, Any] = {"steps": 3, "rank": 2, "learning_rate": 0.05, "text_encoder": True}
    each: dict[str, dict[str, Any]] = {
        "one": {"clip_skip": 2, "prompts": prompts, "sampler": "Euler a"},
        "two": {"seed": 1, "rank": 3},
        "whole": {"method": "finetune", "clip_skip": 2},
    }
    made = {}
    for name, own in each.items():
        more = {word: usual[word] for word in usual if word != "rank" or name != "whole"} | own
        made[name] = lora(meta, top, models, new_console(), name=name, **more)
    return made


def _drawn(
    words: list[str], models: Models, target: Path, **wish: Any
) -> tuple[int, list[str], Path]:
    """Draw what the words name; return the code, what was noted, and the folder of the pictures."""
    console, alone = new_console(), target.with_suffix("")
    rows = wish.pop("prompts", [PROMPT])
    asks = Wish(rows, wish.pop("strengths", [1.0]), wish.pop("seeds", []), each=alone, **wish)
    code = sample(subject_of(words), asks, target, models, console).code
    return code, said(console)[1].splitlines(), alone


def _bytes(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.tobytes()


def test_a_picture_is_that_of_the_training(
    runs: dict[str, Path], models: Models, tmp_path: Path
) -> None:
    """Drawn by its file alone, a LoRA of clip skip 2 gives the very pixels drawn in training."""
    subject, file = subject_of([str(runs["one"])]), runs["one"].parents[1] / "p.txt"
    prompts = asked(subject, [], file, {"sampler": "euler_a"})

    _, notes, alone = _drawn([str(runs["one"])], models, tmp_path / "s.png", prompts=prompts)

    (during,) = (runs["one"].parent / "samples").iterdir()
    assert notes == ["clip skip 2, as it was trained"]
    assert _bytes(alone / "000 strength 1.png") == _bytes(during)
    assert _bytes(alone / "000 base model.png") != _bytes(during)


def test_several_loras_act_together(
    runs: dict[str, Path], base: Path, models: Models, tmp_path: Path
) -> None:
    """The sum of what each adds to the weights, times its own strength and that of the column."""
    one, two = runs["one"], runs["two"]
    words = [str(one), f"{two}:0.5"]

    code, notes, alone = _drawn(words, models, tmp_path / "s.png", strengths=[0.6], clip_skip=1)

    merged = FAMILY.load(base, "cpu")
    for path, strength in ((one, 0.6), (two, 0.3)):
        _merge(path, merged, strength)
    wanted = draw(merged, FAMILY, opened_vae(base, "cpu"), PROMPT)
    found = alone / "000 strength 0.6.png"
    assert code == 0
    assert notes == ["clip skip 1, as you asked; it was trained with 2"]
    assert _differ(_bytes(found), wanted.tobytes()) <= 1
    assert _bytes(found) != _bytes(alone / "000 base model.png")


def _merge(path: Path, base: Any, strength: float) -> None:
    """Add a LoRA to the weights of a base model."""
    saved = load_file(path)
    each = [("", base.network), *((f"{part}.", one) for part, one in base.encoders.items())]
    for before, module in each:
        for name, layer in module.named_modules():
            word = FAMILY.export_name(before + name)
            if f"{word}.alpha" in saved:
                down, up = (saved[f"{word}.lora_{way}.weight"] for way in ("down", "up"))
                scale = strength * saved[f"{word}.alpha"] / down.shape[0]
                change = (up.flatten(1) @ down.flatten(1)).reshape(layer.weight.shape)
                layer.weight.data += scale * change


def _differ(one: bytes, two: bytes) -> int:
    each = [torch.frombuffer(bytearray(data), dtype=torch.uint8).int() for data in (one, two)]
    return int((each[0] - each[1]).abs().max())


def test_block_weights_scale_blocks(runs: dict[str, Path], models: Models, tmp_path: Path) -> None:
    """A LoRA without its U-Net and text encoder is the base model; of half of both, another one."""
    each = [
        _drawn([str(runs["two"])], models, tmp_path / f"{n}.png", block_weights=weights)[2]
        for n, weights in enumerate([{}, {"ALL": 0.0}, {"TE": 0.0, "IN": 0.5}])
    ]

    base, *pictures = [
        _bytes(path) for path in (each[0] / "000 base model.png", *(
            folder / "000 strength 1.png" for folder in each
        ))
    ]  # fmt: skip
    assert base == pictures[1]
    assert len(set(pictures)) == 3


def test_whole_models_are_drawn(
    runs: dict[str, Path], base: Path, models: Models, tmp_path: Path,
    narrow_base: Callable[[str], Path],
) -> None:  # fmt: skip
    """A base model's folder and file, and a fine-tune at the layer that it was trained with."""
    single = write_single("sd15", narrow_base("sd15"), tmp_path / "one.safetensors")
    for name, place, layer in (("file", single, 1), ("base", base, 1), ("tune", runs["whole"], 2)):
        code, notes, alone = _drawn([str(place)], models, tmp_path / f"{name}.png")

        (found,) = alone.iterdir()
        wanted = draw(FAMILY.load(place, "cpu"), FAMILY, opened_vae(place, "cpu"), PROMPT, layer)
        assert code == 0
        assert [note for note in notes if "clip skip" in note] == (
            ["clip skip 2, as it was trained"] if layer == 2 else []
        )
        assert _bytes(found) == wanted.tobytes()
    assert _bytes(found) != _bytes(tmp_path / "base" / f"000 {base.name}.png")


def test_a_grid_is_one_prompt_by_seeds(
    runs: dict[str, Path], models: Models, tmp_path: Path
) -> None:
    """`--grid 2x3`: six seeds from the first one on, edge to edge, without the base model."""
    wish: dict[str, Any] = {"grid": (2, 3), "seeds": [7]}

    _, _, alone = _drawn([str(runs["two"])], models, tmp_path / "g.png", **wish)

    cells = [_bytes(path) for path in sorted(alone.iterdir())]
    with Image.open(tmp_path / "g.png") as grid:
        assert grid.size == (3 * 64, 2 * 64)
        corners = [(x * 64, y * 64) for y in range(2) for x in range(3)]
        assert [grid.crop((x, y, x + 64, y + 64)).tobytes() for x, y in corners] == cells
        assert "Seed: 7, " in grid.info["parameters"]
    _drawn([str(runs["two"])], models, tmp_path / "s.png", seeds=[12])
    assert cells[5] == _bytes(tmp_path / "s" / "000 strength 1.png")


def test_a_picture_says_what_webuis_read(
    runs: dict[str, Path], base: Path, models: Models, tmp_path: Path
) -> None:
    """Alone, on a sheet and in a training: prompt, settings, model and LoRAs with their hashes."""
    one, two = runs["one"], runs["two"]
    row = replace(PROMPT, text="a cat, (hat:1.2)", sampler="dpm++_2m_karras")

    _, _, alone = _drawn(
        [str(one), f"{two}:0.5"], models, tmp_path / "s.png", prompts=[row], strengths=[0.6]
    )

    digests = [
        safetensors_file.header(path).metadata["sshs_model_hash"][:12] for path in (one, two)
    ]
    facts = (
        "Steps: 2, Sampler: DPM++ 2M Karras, CFG scale: 3, Seed: 5, Size: 64x64, "
        f"Model: {base.name}, Clip skip: 2"
    )
    assert _text(alone / "000 base model.png") == (
        f"a cat, (hat:1.2)\nNegative prompt: bad\n{facts}"
    )
    whole = (
        "a cat, (hat:1.2) <lora:one:0.6> <lora:two:0.3>\nNegative prompt: bad\n"
        f'{facts}, Lora hashes: "one: {digests[0]}, two: {digests[1]}"'
    )
    assert _text(alone / "000 strength 0.6.png") == _text(tmp_path / "s.png") == whole
    (during,) = (one.parent / "samples").iterdir()
    assert _text(during) == (
        "mascot <lora:one:1>\nNegative prompt: bad\nSteps: 2, Sampler: Euler a, CFG scale: 3, "
        f"Seed: 5, Size: 64x64, Model: {base.name}, Clip skip: 2"
    )
    assert _read_by_webuis(whole) == {
        "Prompt": "a cat, (hat:1.2) <lora:one:0.6> <lora:two:0.3>", "Negative prompt": "bad",
        "Steps": "2", "Sampler": "DPM++ 2M Karras", "CFG scale": "3", "Seed": "5",
        "Size": "64x64", "Model": base.name, "Clip skip": "2",
        "Lora hashes": f"one: {digests[0]}, two: {digests[1]}",
    }  # fmt: skip


def _text(path: Path) -> Any:
    with Image.open(path) as picture:
        return picture.info["parameters"]


def _read_by_webuis(text: str) -> dict[str, str]:
    """Return what AUTOMATIC1111 reads, by the pattern of its modules/infotext_utils.py."""
    pattern = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
    *lines, last = text.split("\n")
    found = {word: json.loads(v) if v[0] == '"' else v for word, v in pattern.findall(last)}
    prompt, _, negative = "\n".join(lines).partition("\nNegative prompt: ")
    return {"Prompt": prompt, "Negative prompt": negative} | found


def test_a_picture_says_all_that_acts() -> None:
    """Block weights, odd names as AUTOMATIC1111 writes them, and a sheet's several strengths."""
    loras = [ShownLora("few-1/few", 0.5, "ab" * 32), ShownLora("a,b:c", 1.0, "cd" * 32)]
    shown = Shown(FAMILY, "base", loras, blocks={"IN": 0.5, "MID": 0.0})
    start = "Steps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 0, Size: 512x512, Model: base"
    rest = (
        'Block weights: "IN=0.5,MID=0", Lora hashes: "few-1/few: abababababab, abc: cdcdcdcdcdcd"'
    )

    one, sheet, none = (shown.text(Prompt("x"), own) for own in ([0.0, 2.0], [1.0, 0.5], [0.0]))

    assert one == f"x <lora:few-1/few:1> <lora:a,bc:2>\n{start}, {rest}"
    assert sheet == f'x\n{start}, Strengths: "1, 0.5", {rest}'
    assert none == f"x\n{start}"
    assert _read_by_webuis(one)["Block weights"] == "IN=0.5,MID=0"


def test_a_column_says_what_acts(
    runs: dict[str, Path], models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are several LoRAs they stand above their column, and so do block weights."""
    seen: list[list[str]] = []
    real = sheet_grid.grid
    monkeypatch.setattr(sheet_grid, "grid", lambda *words: seen.append(words[0]) or real(*words))
    row = replace(PROMPT, steps=1)

    _, _, alone = _drawn(
        [str(runs["one"]), f"{runs['two']}:0.5"], models, tmp_path / "s.png",
        prompts=[row], strengths=[1.0, 0.5], block_weights={"IN": 0.5},
    )  # fmt: skip

    more = "one + two:0.5, IN=0.5"
    assert seen == [["base model", f"strength 1, {more}", f"strength 0.5, {more}"]]
    assert 'Strengths: "1, 0.5"' in _text(tmp_path / "s.png")
    assert "Block weights: IN=0.5" in _text(alone / "000 strength 1.png")
    assert "Block weights" not in _text(alone / "000 base model.png")


def test_words_that_are_no_latin_are_kept(tmp_path: Path) -> None:
    """A text in any letters, with quotes in a name, is read back as it was written."""
    shown = Shown(FAMILY, 'a "b", c', [ShownLora("\u732b: 2")])
    text = shown.text(Prompt("\u732b, \u00e9\nline"))
    (tmp_path / "a.png").write_bytes(png(Image.new("RGB", (8, 8)), text))
    (tmp_path / "b.png").write_bytes(png(Image.new("RGB", (8, 8)), text))

    assert _text(tmp_path / "a.png") == written(tmp_path / "a.png") == text
    assert _read_by_webuis(text)["Model"] == 'a "b", c'
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert is_of(tmp_path / "a.png", text)
    assert is_of(tmp_path / "a.png", replace(shown, model="other, name").text(
        Prompt("\u732b, \u00e9\nline")))  # fmt: skip
    assert not is_of(tmp_path / "a.png", shown.text(Prompt("\u732b", seed=1)))
    latin = shown.text(Prompt("\u00e9"))
    (tmp_path / "c.png").write_bytes(png(Image.new("RGB", (8, 8)), latin))
    Image.new("RGB", (8, 8)).save(tmp_path / "d.png")
    (tmp_path / "e.png").write_bytes((tmp_path / "c.png").read_bytes()[:40])
    assert [is_of(tmp_path / f"{name}.png", latin) for name in "acde"] == [False, True, True, False]


@pytest.mark.parametrize(
    ("words", "wish", "told", "hint"),
    [
        (["one", "MODEL"], {}, "`MODEL` is a whole model, and it is named beside others",
         "LoRAs are drawn on a model: name it by `--base`; a model is drawn alone"),
        (["MODEL"], {"strengths": [0.5]}, "`--strength` is for LoRAs, and `MODEL` is a whole model",
         "leave it out"),
        (["MODEL"], {"base": "tiny"}, "`--base` is for LoRAs, and `MODEL` is a whole model",
         "leave it out"),
        (["one"], {"grid": (2, 3), "seeds": [1, 2]},
         "`--grid` shows one prompt, at one strength, with seeds that follow each other",
         "give one `--prompt`, at most one `--strength` and one `--seed`, the first"),
        (["one"], {"block_weights": {"OUT99": 1.0}},
         "`--block-weights` names `OUT99`, and a model of the kind `sd15` has no such block",
         f"its blocks are {', '.join(FAMILY.all_blocks())}"),
        (["one"], {"block_weights": {"MID": 0.5}, "block_numbers": 12},
         "`--block-weights` has 12 numbers, and a model of the kind `sd15` has other blocks",
         "give 17 or 26 numbers"),
        (["nope"], {}, "there is nothing to draw at `nope`",
         ("name LoRAs (`.safetensors`), or a model: a folder, a single file, a hub id `owner/name` "
          "or `tiny`")),
        (["one:500"], {}, "the strength of `one:500` is too large", "give -100 to 100"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told(
    runs: dict[str, Path], base: Path, models: Models, tmp_path: Path, words: list[str],
    wish: dict[str, Any], told: str, hint: str,
) -> None:  # fmt: skip
    """Each in two lines, before anything is drawn."""
    places = {
        "one": str(runs["one"]),
        "MODEL": str(base),
        "one:500": f"{runs['one']}:500",
        "nope": "nope",
    }

    with pytest.raises(UserError) as caught:
        _drawn([places[word] for word in words], models, tmp_path / "s.png", **wish)

    message = str(caught.value)
    for word, place in sorted(places.items(), key=lambda pair: -len(pair[1])):
        message = message.replace(place, word)
    assert (message, caught.value.hint) == (told, hint)


def test_a_colon_in_a_name_is_no_strength(runs: dict[str, Path], tmp_path: Path) -> None:
    """A file that is there is taken by its whole name; else its end is how strongly it acts."""
    odd = tmp_path / "odd:0.5.safetensors"
    odd.write_bytes(runs["one"].read_bytes())

    assert subject_of([str(odd)]).loras == ((odd, 1.0),)
    assert subject_of([f"{odd}:-0.25"]).loras == ((odd, -0.25),)
    assert subject_of(["tiny"]) == Subject(model="tiny")
    assert Subject(model="a/b.ckpt").name == "b"


def test_a_prompt_longer_than_what_trained_is_told(
    runs: dict[str, Path], models: Models, tmp_path: Path
) -> None:
    """It is read whole all the same, as WebUIs read it."""
    row = replace(PROMPT, text="x " * 80, steps=1)

    _, notes, _ = _drawn([str(runs["two"])], models, tmp_path / "s.png", prompts=[row])

    told = "`two.safetensors` was trained on texts of up to 75 tokens; longer, and read whole: "
    assert notes == [f"{told}`{'x ' * 20}` (80)"]


@pytest.mark.parametrize("way", ["plain", "sliced", "xformers"])
def test_every_attention_draws_the_same(runs: dict[str, Path], base: Path, way: str) -> None:
    """With a LoRA on: in slices, as plain products, by SDPA and by xformers where it is there."""
    from diffusers.models.attention_processor import AttnProcessor

    opened, coder = FAMILY.load(base, "cpu"), opened_vae(base, "cpu")
    applied.set_strength(opened, applied.add(runs["two"], opened, FAMILY), 1.0)
    usual = draw(opened, FAMILY, coder, PROMPT)
    network: Any = opened.network
    if way == "plain":
        network.set_attn_processor(AttnProcessor())
    elif way == "sliced":
        network.set_attention_slice("max")
    else:
        pytest.importorskip("xformers", reason="xformers is not installed")
        if not torch.cuda.is_available():
            pytest.skip("xformers computes on a GPU alone")
        network.enable_xformers_memory_efficient_attention()

    found = draw(opened, FAMILY, coder, PROMPT)

    kinds = {type(one).__name__ for one in network.attn_processors.values()}
    assert kinds != {"AttnProcessor2_0"}
    assert _differ(found.tobytes(), usual.tobytes()) <= 1


@pytest.mark.parametrize(
    ("words", "told", "hint"),
    [
        ("--grid 2", "`--grid 2` is wrong", "give rows and columns, as `2x3`; at most 400"),
        ("--grid 0x3", "`--grid 0x3` is wrong", "give rows and columns, as `2x3`; at most 400"),
        ("--grid 21x20", "`--grid 21x20` is wrong", "give rows and columns, as `2x3`; at most 400"),
        ("--block-weights IN", "`--block-weights IN` is wrong at `IN`",
         ("give each block a number from 0 to 100, as `IN=0.5,MID=0,OUT03=1`, or 17 or 26 numbers "
          "(XL: 12 or 20)")),
        ("--sampler DEIS", "`--sampler DEIS` is not known",
         "the nearest here is `--sampler dpmsolver++`"),
    ],
)  # fmt: skip
def test_what_is_typed_wrongly_is_told(
    words: str, told: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options of `train sample` that are no numbers, in two lines, before a file is looked for."""
    with pytest.raises(SystemExit):
        main(["sample", "x.safetensors", *words.split()])

    assert capsys.readouterr().err == f"error: {told}\nhint: {hint}\n"


def test_a_run_folder_is_its_export(runs: dict[str, Path]) -> None:
    """Of a LoRA and of a whole model; a strength may follow."""
    assert subject_of([f"{runs['one'].parent}:0.5"]) == Subject(((runs["one"], 0.5),))
    assert subject_of([str(runs["whole"].parent)]) == Subject(model=str(runs["whole"]))
