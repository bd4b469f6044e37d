"""Pictures by each sampler, beside those of diffusers' own pipelines."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image

from prep.runtime.errors import ConfigError
from train.families import all_families
from train.families.diffusion_process import Diffusion
from train.families.family import Base, Family
from train.families.noise_process import Prediction
from train.methods import config_of
from train.sampler_rows import SAMPLERS
from train.samples import schedulers
from train.samples.prompts import Prompt, check_drawable, parse
from train.samples.sampler import draw, opened_vae

V = Prediction.V_PREDICTION
PROMPT = Prompt("mascot", "bad", 64, 32, 5, 4, 3.0)
KARRAS = {"use_karras_sigmas": True}
SDE = {"algorithm_type": "sde-dpmsolver++"}
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
# As the documentation of diffusers names them beside AUTOMATIC1111's (api/schedulers/overview).
DIFFUSION = [
    ("DDIM", "DDIM", {"clip_sample": False, "set_alpha_to_one": False}),
    ("DDPM", "DDPM", {"clip_sample": False}),
    ("PLMS", "PNDM", {"skip_prk_steps": True}),
    ("Euler", "EulerDiscrete", {}),
    ("Euler Karras", "EulerDiscrete", KARRAS),
    ("Euler a", "EulerAncestralDiscrete", {}),
    ("Heun", "HeunDiscrete", {}),
    ("DPM2", "KDPM2Discrete", {}),
    ("DPM2 Karras", "KDPM2Discrete", KARRAS),
    ("DPM2 a", "KDPM2AncestralDiscrete", {}),
    ("DPM2 a Karras", "KDPM2AncestralDiscrete", KARRAS),
    ("DPM 2M", "DPMSolverMultistep",
     {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    ("DPM++ 2M", "DPMSolverMultistep", {}),
    ("DPM++ 2M Karras", "DPMSolverMultistep", KARRAS),
    ("DPM++ 2M SDE", "DPMSolverMultistep", SDE),
    ("DPM++ 2M SDE Karras", "DPMSolverMultistep", SDE | KARRAS),
    ("DPM++ 2S", "DPMSolverSinglestep", {}),
    ("DPM++ SDE", "DPMSolverSinglestep", SDE),
    ("DPM++ SDE Karras", "DPMSolverSinglestep", SDE | KARRAS),
    ("UniPC", "UniPCMultistep", {}),
    ("LCM", "LCM", {}),
]  # fmt: skip
XL = ("DDIM", "Euler", "Euler a", "DPM++ 2M Karras", "UniPC", "LCM")
OF_FLOWS = [
    ("DDIM", "FlowMatchEulerDiscrete", {}),
    ("Euler", "FlowMatchEulerDiscrete", {}),
    ("Heun", "FlowMatchHeunDiscrete", {}),
    ("DPM++ 2M", "DPMSolverMultistep", FLOW),
    ("UniPC", "UniPCMultistep", FLOW),
]
CASES = [
    *(("sd15", *row) for row in DIFFUSION),
    *(("sdxl", *row) for row in DIFFUSION if row[0] in XL),
    *(("sd35", *row) for row in OF_FLOWS),
]


@dataclass
class Opened:
    """A tiny model, as we open it and as diffusers does."""

    base: Base
    family: Family
    vae: Any
    pipeline: Any

    def drawn(self, prompt: Prompt) -> Image.Image:
        """Return our picture."""
        return draw(self.base, self.family, self.vae, prompt)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Opened]:
    """The function from a family's name to a tiny model; that of XL has leading timesteps."""
    made: dict[str, Opened] = {}

    def found(name: str) -> Opened:
        if name not in made:
            family = all_families()[name]
            folder = family.tiny.write(tmp_path_factory.mktemp(name))
            if name == "sdxl":
                _change(folder, timestep_spacing="leading")
            made[name] = _opened(folder, family)
        return made[name]

    return found


def _opened(folder: Path, family: Family) -> Opened:
    kind: Any = diffusers.DiffusionPipeline
    pipeline = kind.from_pretrained(str(folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return Opened(family.load(folder, "cpu"), family, opened_vae(folder, "cpu"), pipeline)


def _change(folder: Path, **facts: object) -> None:
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def _theirs(one: Opened, kind: str, more: dict[str, Any], prompt: Prompt) -> Image.Image:
    """Return the picture that diffusers' own pipeline draws."""
    scheduler: Any = getattr(diffusers, f"{kind}Scheduler")
    before = one.pipeline.scheduler
    one.pipeline.scheduler = scheduler.from_config(before.config, **more)
    try:
        found: Image.Image = one.pipeline(
            prompt.text, negative_prompt=prompt.negative, width=prompt.width, height=prompt.height,
            num_inference_steps=prompt.steps, guidance_scale=prompt.guidance,
            generator=torch.Generator("cpu").manual_seed(prompt.seed),
        ).images[0]  # fmt: skip
    finally:
        one.pipeline.scheduler = before
    return found


def _differ(one: Image.Image, two: Image.Image) -> int:
    each = [torch.frombuffer(bytearray(p.tobytes()), dtype=torch.uint8).int() for p in (one, two)]
    return int((each[0] - each[1]).abs().max())


@pytest.mark.parametrize(("family", "label", "kind", "more"), CASES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_picture_is_the_pipeline_s(
    opened: Callable[[str], Opened], family: str, label: str, kind: str, more: dict[str, Any]
) -> None:
    """Same texts, noise and steps: equal to one level of 255, by the name that WebUIs have."""
    one = opened(family)
    name = schedulers.named(label, "--ss")
    prompt = replace(PROMPT, sampler=name)
    check_drawable(prompt, one.family)

    found = one.drawn(prompt)

    assert _differ(found, _theirs(one, kind, more, prompt)) <= 1
    if (family, label) != ("sd35", "DDIM"):
        assert schedulers.label(name, one.family) == label


def test_every_sampler_is_among_them() -> None:
    """No row is without its picture, but for what needs a package that is not installed."""
    drawn = {(family, schedulers.named(label, "")) for family, label, *_ in CASES}
    rows = {
        (name, row.name)
        for name in ("sd15", "sd35")
        for row in all_families()[name].process.samplers.values()
    }
    assert rows - drawn == {("sd15", "lms"), ("sd15", "lms_karras")}


@pytest.mark.parametrize("name", [row.name for row in SAMPLERS.values() if not row.package])
def test_a_model_that_ends_in_noise_alone_is_drawn(
    opened: Callable[[str], Opened], name: str
) -> None:
    """From the very last timestep, with finite numbers, in one step and in sixty.

    The network answers with a tenth of what it is shown; its sigmas are infinite at the beginning.
    """
    family, plain = opened("sd15").family, opened("sd15").base.process
    assert isinstance(plain, Diffusion)
    root_T = plain.alpha_bar_T.sqrt()
    alpha_bar_T = ((root_T - root_T[-1]) * root_T[0] / (root_T[0] - root_T[-1])) ** 2
    process = replace(plain, alpha_bar_T=alpha_bar_T, prediction=V, trailing=True)
    assert process.ends_in_noise()

    for steps in (1, min(60, SAMPLERS[name].most_steps)):
        scheduler = schedulers.opened(name, family, process, "cpu", steps)
        latents = torch.ones(1, 4, 1, 1) * scheduler.init_noise_sigma
        for time in scheduler.timesteps:
            answer = scheduler.scale_model_input(latents, time) / 10
            latents = scheduler.step(answer, time, latents).prev_sample

        assert int(scheduler.timesteps[0]) == 999 or name == "lcm"
        assert bool(latents.isfinite().all())


def test_ways_that_cannot_be_taken_are_told(opened: Callable[[str], Opened]) -> None:
    """Too many steps, a package that is not there, a way of other models, a name of nothing."""
    family = opened("sd15").family

    def told(line: str, family: Family = family) -> tuple[str, str | None]:
        with pytest.raises(ConfigError) as caught:
            check_drawable(parse(line, Prompt("")), family)
        return str(caught.value), caught.value.hint

    assert told("a --ss LCM --s 51") == ("`lcm` cannot draw in 51 steps", "give 1 to 50 steps")
    assert told("a --ss euler --s 501") == (
        "`euler` cannot draw in 501 steps", "give 1 to 500 steps",
    )  # fmt: skip
    assert told("a --ss PLMS", opened("sd35").family) == (
        "`pndm` is no way to draw with a model of the kind `sd35`",
        "known: ddim, euler, heun, dpmsolver++, unipc",
    )
    assert told("a --ss DPM++ 3M SDE") == (
        "`--ss DPM++ 3M SDE` is not known", "the nearest here is `--ss dpm++_2m_sde`",
    )  # fmt: skip
    assert told("a --ss DPM++ 2M Karas") == (
        "`--ss DPM++ 2M Karas` is not known", "did you mean `dpm++_2m_karras`?",
    )  # fmt: skip
    assert told('a --ss "zzz"')[1].startswith("known: ddim, ")
    assert told("a --ss eular") == ("`--ss eular` is not known", "did you mean `euler`?")
    if importlib.util.find_spec("scipy") is None:
        assert told("a --ss k_lms") == (
            "to draw by `lms` needs `scipy`, which is not installed",
            "`pip install scipy`, or name another way, as `euler`",
        )


SPELLINGS = [
    ("ddim", "ddim"), ("DDIM", "ddim"), ("k_euler", "euler"), ("Euler a", "euler_a"),
    ("k_euler_a", "euler_a"), ("euler_ancestral", "euler_a"), ("k_lms", "lms"),
    ("k_dpm_2", "dpm_2"), ("DPM2 a Karras", "dpm_2_a_karras"), ("k_dpm_2_a", "dpm_2_a"),
    ("dpmsolver", "dpmsolver"), ("dpmsolver++", "dpmsolver++"), ("DPM++ 2M", "dpmsolver++"),
    ("dpmpp_2m", "dpmsolver++"), ("DPM++ 2M Karras", "dpm++_2m_karras"), ("uni_pc", "unipc"),
    ("k_dpmpp_2m_ka", "dpm++_2m_karras"), ("DPM++ SDE", "dpm++_sde"), ("dpmsingle", "dpmsingle"),
    ("dpmpp_2m_sde", "dpm++_2m_sde"), ("DPM++ SDE Karras", "dpm++_sde_karras"), ("LCM", "lcm"),
]  # fmt: skip


def test_samplers_are_known_by_the_names_that_others_have() -> None:
    """Case F9: those of kohya's scripts, AUTOMATIC1111 and ComfyUI, in any capitals."""
    found = [(name, parse(f"a cat --ss {name} --s 5", Prompt("")).sampler) for name, _ in SPELLINGS]

    assert found == SPELLINGS
    quoted = [parse(f"a --ss {mark}DPM++ 2M Karras{mark}", Prompt("")) for mark in "\"'"]
    assert [one.sampler for one in quoted] == ["dpm++_2m_karras"] * 2
    assert [(name, config_of(sampler=name).sampler) for name, _ in SPELLINGS] == SPELLINGS


def test_no_spelling_means_two_samplers() -> None:
    """A word names one row at most, and never hides the name of another."""
    words = [
        word
        for row in SAMPLERS.values()
        for word in {row.name, *row.known_as, row.label.lower().replace(" ", "_")}
    ]

    assert len(words) == len(set(words))
    assert words == [word.lower().replace(" ", "_") for word in words]


def test_brackets_weigh_words_and_long_texts_are_read(opened: Callable[[str], Opened]) -> None:
    """Same texts as states: each is what the encoder says of it, times the weight of its letter.

    The second text has 80 letters: two chunks of 75 tokens, and the negative one is as long.
    """
    one = opened("sd15")
    encoder, tokenizer = one.pipeline.text_encoder, one.pipeline.tokenizer

    def states(text: str) -> torch.Tensor:
        ids = tokenizer(text, verbose=False).input_ids[1:-1]
        begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
        rows = [ids[n : n + 75] for n in range(0, len(ids) or 1, 75)]
        rows = [[begin, *row, *[end] * (76 - len(row))] for row in rows]
        return torch.stack([encoder(torch.tensor([row])).last_hidden_state[0] for row in rows])

    with torch.no_grad():
        weighed, plain, empty = states("a b c")[:1], states("x " * 80), states("")
    weighed[0, 2] *= 1.5  # behind the mark and the `a`
    joined, filled = (
        torch.cat([each[0, :1], each[0, 1:-1], each[-1, 1:-1], each[-1, -1:]])[None]
        for each in (plain, torch.cat([empty, empty]))
    )
    cases = [("a (b:1.5) c", weighed, empty), ("x " * 80, joined, filled)]
    for text, wanted, without in cases:
        their = one.pipeline(
            prompt_embeds=wanted, negative_prompt_embeds=without, width=64, height=32,
            num_inference_steps=4, guidance_scale=3.0,
            generator=torch.Generator("cpu").manual_seed(5),
        ).images[0]  # fmt: skip
        found = one.drawn(replace(PROMPT, text=text, negative="", sampler="pndm"))
        assert _differ(found, their) <= 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_xl_is_told_the_sizes_that_a_prompt_names(opened: Callable[[str], Opened]) -> None:
    """`--ow`, `--oh`, `--cl` and `--ct` are original size and what was cut off."""
    one = opened("sdxl")
    prompt = parse("mascot --ow 128 --oh 96 --cl 16 --ct 8 --ss euler", PROMPT)

    their = one.pipeline(
        "mascot", negative_prompt="bad", width=64, height=32, num_inference_steps=4,
        guidance_scale=3.0, generator=torch.Generator("cpu").manual_seed(5),
        original_size=(96, 128), crops_coords_top_left=(8, 16),
    ).images[0]  # fmt: skip

    assert _differ(one.drawn(prompt), their) <= 1
    assert one.drawn(prompt).tobytes() != one.drawn(replace(PROMPT, sampler="euler")).tobytes()
