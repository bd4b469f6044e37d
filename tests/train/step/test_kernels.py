"""How torch is told to compute a training, and that nothing of it stays behind."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from prep.models.locate import Models
from prep.runtime.errors import ConfigError, MachineError
from tests.train.runs import lora, new_console, said
from train.config import Config
from train.data import dataset
from train.data.batches import Batches
from train.data.text_states import TextCache
from train.families import all_families
from train.families.sd15 import FAMILY
from train.methods import config_of, method_named
from train.run import checkpoint, execute
from train.step import kernels
from train.step.distributed import Processes
from train.step.loop import Training, train
from train.step.trainer import Trainer
from train.weights.explain import explain

Weights = dict[str, torch.Tensor]


def _task(base: Path, meta: Path, config: Config) -> Training:
    opened = FAMILY.load(base, "cpu")
    method_named(config.method).attach(opened, FAMILY, config)
    batches = Batches(dataset.load([meta]), config, 0.18215, 0.0)
    states = TextCache(lambda texts: FAMILY.encode(opened, texts), opened.text_learns())
    return Training(opened, FAMILY, batches, states, Processes())


def _attention() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(1, 2, 8, 16, generator=generator) for _ in range(3)]
    return scaled_dot_product_attention(*given)


def _set() -> list[object]:
    flags = torch.backends.cuda
    told = [flags.flash_sdp_enabled(), flags.mem_efficient_sdp_enabled(), flags.math_sdp_enabled()]
    return [*told, torch.get_float32_matmul_precision(), flags.matmul.fp32_precision]


def test_what_torch_is_told_ends_with_the_block() -> None:
    """On a card products are TensorFloat-32 within the block alone, whatever ends it."""
    with kernels.kernels("cpu", "sdpa"):
        before = _set()
    with pytest.raises(ValueError, match="high") as caught, kernels.kernels("cuda:1", "math"):
        raise ValueError(_set())

    assert before[:3] == [True, True, True]
    assert caught.value.args[0] == [False, False, True, "high", "tf32"]
    assert _set()[:4] == before[:4]


@pytest.mark.parametrize(
    ("attention", "kernel"), [("sdpa", "flash_attention"), ("math", "attention_math")]
)
def test_attention_is_computed_by_the_kernel_that_is_named(attention: str, kernel: str) -> None:
    """Torch chooses its fast kernel, or takes the plain one where that is asked for."""
    with kernels.kernels("cpu", attention), torch.profiler.profile() as seen:
        _attention()

    assert [one.key for one in seen.key_averages() if kernel in one.key]


def test_a_kernel_that_is_not_there_is_told() -> None:
    """Where torch has no such kernel for what is computed, two lines say so; other errors stay."""
    with pytest.raises(MachineError) as caught, kernels.kernels("cpu", "memory-efficient"):
        _attention()
    with pytest.raises(RuntimeError, match="size"), kernels.kernels("cpu", "math"):
        torch.ones(2) + torch.ones(3)

    assert (str(caught.value), caught.value.hint) == (
        "`--attention memory-efficient` cannot compute this model here",
        "use `sdpa`",
    )


def test_networks_of_convolutions_say_so() -> None:
    """U-Nets are laid out for a card with their channels last, transformers are not."""
    found = {name: one.convolved for name, one in all_families().items()}

    assert found == {"sd15": True, "sd2": True, "sd35": False, "sdxl": True}


def test_channels_last_goes_on_bit_for_bit(base: Path, meta: Path) -> None:
    """With channels last the weights are the usual ones but for rounding; resumed, to the bit."""
    config = config_of("finetune", steps=4, learning_rate=1e-4)

    def fresh(last: bool = True) -> tuple[Training, Trainer]:
        training = _task(base, meta, config)
        if last:
            kernels.lay_channels_last(training.base.network)
        return training, Trainer(training.base.learning(), config, "cpu")

    (plain, usual), (one, whole), (two, first), (three, second) = (
        fresh(False), fresh(), fresh(), fresh()
    )  # fmt: skip
    train(plain, usual, 0, 4, lambda step: None)
    train(one, whole, 0, 4, lambda step: None)
    train(two, first, 0, 2, lambda step: None)
    saved = {name: tensor.contiguous() for name, tensor in first.tensors().items()}
    second.restore(dict(first.weights), saved, first.numbers())
    train(three, second, 2, 4, lambda step: None)

    convolution = whole.weights["conv_in.weight"]
    assert convolution.is_contiguous(memory_format=torch.channels_last)
    for name, weight in whole.weights.items():
        assert torch.equal(weight, second.weights[name]), name
        torch.testing.assert_close(weight, usual.weights[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("given", [{"targets": "convolutions"}, {"method": "finetune"}])
def test_what_lies_channels_last_is_written(
    given: dict[str, object], meta: Path, tmp_path: Path, models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As on a card: checkpoints and exports are written and proven, and a run goes on from them."""
    monkeypatch.setattr(
        execute, "make_ready", lambda base, family, config: kernels.lay_channels_last(base.network)
    )
    whole = lora(meta, tmp_path / "whole", models, new_console(), steps=2, **given)
    lora(meta, tmp_path / "out", models, new_console(), steps=1, **given)
    made = lora(meta, tmp_path / "out", models, new_console(), steps=2, **given)

    file = "unet/diffusion_pytorch_model.safetensors" if made.is_dir() else ""
    assert (made / file).read_bytes() == (whole / file).read_bytes()


def test_text_encoders_that_learn_compute_twice_and_alike(base: Path, meta: Path) -> None:
    """With gradient checkpointing their layers run twice a step, and no bit changes."""
    config = config_of(steps=2, rank=2, text_encoder=True)
    runs: list[int] = []
    found: list[Weights] = []
    for twice in (False, True):
        training, count = _task(base, meta, config), [0]

        def counted(*given: object, count: list[int] = count) -> None:
            count[0] += 1

        encoder = training.base.encoders["text_encoder"]
        for name, module in encoder.named_modules():
            if name.endswith(".mlp"):
                module.register_forward_pre_hook(counted)
        if twice:
            kernels.checkpoint_encoder(encoder)
        trainer = Trainer(training.base.learning(), config, "cpu")
        train(training, trainer, 0, 2, lambda step: None)
        runs.append(count[0])
        found.append({name: weight.detach() for name, weight in trainer.weights.items()})

    assert runs[1] == 2 * runs[0]
    assert any(name.startswith("text_encoder.") for name in found[0])
    assert all(torch.equal(weight, found[1][name]) for name, weight in found[0].items())


@pytest.mark.parametrize("method", ["lora", "finetune"])
def test_weights_in_half_precision_go_on_bit_for_bit(
    method: str, meta: Path, tmp_path: Path, models: Models
) -> None:
    """With `--full-bf16` checkpoints hold bfloat16 alone, and two parts are the run in one."""
    more = {"method": method, "full_bf16": True, "save_precision": "bf16"}
    whole = lora(meta, tmp_path / "whole", models, new_console(), steps=3, **more)
    lora(meta, tmp_path / "out", models, new_console(), steps=2, **more)
    made = lora(meta, tmp_path / "out", models, new_console(), steps=3, **more)

    found = checkpoint.of_step(made.parent / "checkpoints", 3, checkpoint_recipe(made))
    assert found is not None
    kinds = {tensor.dtype for tensor in found.weights.values()}
    kinds |= {one.dtype for name, one in found.optimizer.items() if not name.endswith("/step")}
    assert kinds == {torch.bfloat16}
    if method == "lora":
        explain(made, console := new_console())
        assert "seed 0, in bf16\n" in said(console)[0]
    file = "unet/diffusion_pytorch_model.safetensors" if method == "finetune" else ""
    assert (made / file).read_bytes() == (whole / file).read_bytes()


def checkpoint_recipe(made: Path) -> str:
    """Return the recipe of the run beside whose export this is."""
    import json

    return str(json.loads((made.parent / "config.json").read_text())["recipe"])


def test_gradients_in_float16_are_unscaled() -> None:
    """With `--full-fp16` the scaler takes float16 gradients, which torch alone refuses."""
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float16))
    trainer = Trainer({"a": weight}, config_of(full_fp16=True, weight_decay=0.0), "cpu")

    for _ in range(2):
        trainer.scaled((weight.float() * 0.1).sum()).backward()
        trainer.update(lambda peak: 0.25)

    assert weight.dtype == torch.float16
    assert weight.tolist() == pytest.approx([0.5] * 4, abs=1e-2)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"full_fp16": True, "full_bf16": True},
            ("`--full-fp16` and `--full-bf16` are both given", "give one of them"),
        ),
        (
            {"full_fp16": True, "precision": "bf16"},
            (
                "`--full-fp16` is given, and `--precision` is bf16",
                "give `--precision fp16`, or leave it out",
            ),
        ),
    ],
)
def test_weights_in_half_precision_need_that_precision(
    given: dict[str, object], told: tuple[str, str]
) -> None:
    """Each takes its own precision where none is given, and refuses another."""
    with pytest.raises(ConfigError) as caught:
        config_of(**given)

    assert (str(caught.value), caught.value.hint) == told
    assert config_of(full_bf16=True).precision == "bf16"
    assert config_of(full_fp16=True, precision="fp16").precision == "fp16"
