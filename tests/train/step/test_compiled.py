"""Networks that torch compiles: the same steps, the same names, and two lines where it cannot."""

from pathlib import Path

import pytest
import torch

from prep.runtime.errors import MachineError
from tests.train.conftest import build_dataset
from train.data import dataset
from train.data.batches import Batches
from train.data.text_states import TextCache
from train.families.sd35 import FAMILY
from train.methods import config_of
from train.methods.lora import attach
from train.step.compiled import check_compiler, compile_network, compiling, uncompiled
from train.step.distributed import Processes
from train.step.loop import Training, train
from train.step.trainer import Trainer


def _task(place: Path, meta: Path) -> tuple[Training, Trainer]:
    config = config_of(rank=2, batch=2, steps=3, learning_rate=1e-3)
    base = FAMILY.load(place, "cpu")
    attach(base, FAMILY, config)
    batches = Batches(dataset.load([meta]), config, 1.5, 0.06, FAMILY.told)
    states = TextCache(lambda texts: FAMILY.encode(base, texts))
    training = Training(base, FAMILY, batches, states, Processes())
    return training, Trainer(base.learning(), config, "cpu")


def test_a_compiled_run_is_the_plain_one(tmp_path: Path) -> None:
    """Names and weights are those of a run that is not compiled; two parts are the run in one."""
    place = FAMILY.tiny.write(tmp_path / "base", "flow", 0)
    meta = build_dataset(tmp_path / "data", place, 4, ((64, 64),))
    (plain, usual), (one, whole), (two, resumed) = (_task(place, meta) for _ in range(3))
    graphs: list[int] = []

    def counted(graph: torch.fx.GraphModule, inputs: object) -> torch.fx.GraphModule:
        graphs.append(len(list(graph.graph.nodes)))
        return graph

    train(plain, usual, 0, 3, lambda step: None)
    for training in (one, two):
        compile_network(training.base.network, counted)
    with compiling(True):
        train(one, whole, 0, 3, lambda step: None)
        train(two, resumed, 0, 2, lambda step: None)
        resumed.restore(dict(resumed.weights), resumed.tensors(), resumed.numbers())
        train(two, resumed, 2, 3, lambda step: None)
        with uncompiled(True), torch.no_grad():
            given = {"text": torch.zeros(1, 93, 96), "pooled": torch.zeros(1, 80)}
            FAMILY.denoise(one.base.network, torch.zeros(1, 16, 4, 4), torch.ones(1), given)

    assert len(graphs) == 1  # of the one shape that trains
    assert list(one.base.learning()) == list(plain.base.learning())
    for name, weight in usual.weights.items():
        torch.testing.assert_close(whole.weights[name], weight, rtol=1e-4, atol=1e-6)
        assert torch.equal(whole.weights[name], resumed.weights[name]), name


def test_what_cannot_be_compiled_is_told() -> None:
    """What torch finds in the way becomes two lines with its first one; other errors stay."""

    class Broken(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch._dynamo.graph_break()
            return x

    network = Broken()
    compile_network(network, "eager")
    with pytest.raises(MachineError) as caught, compiling(True):
        network(torch.ones(1))
    with pytest.raises(ValueError, match="other"), compiling(True):
        raise ValueError("other")

    assert str(caught.value).startswith("torch cannot compile this model here: ")
    assert "\n" not in str(caught.value)
    assert caught.value.hint == "leave `--compile` out"


@pytest.mark.parametrize(
    ("device", "windows", "there", "told"),
    [
        ("cuda", True, (), ("`--compile` needs `triton`, which is not installed",
                            "`pip install triton-windows`, or leave `--compile` out")),
        ("cuda", False, ("triton",),
         ("`--compile` needs a compiler, and none of cc, gcc, clang is there",
          "install one, or leave `--compile` out")),
        ("cpu", False, ("gcc",),
         ("`--compile` needs a compiler, and none of g++, clang++ is there",
          "install one, or leave `--compile` out")),
        ("cuda:1", False, ("triton", "gcc"), None),
        ("cuda", True, ("triton",), None),
        ("cpu", True, ("cl",), None),
    ],
)  # fmt: skip
def test_what_compiling_needs_is_named(
    device: str, windows: bool, there: tuple[str, ...], told: tuple[str, str] | None
) -> None:
    """A card needs triton, and all but Windows a compiler of C; a CPU one of C++."""
    if told is None:
        check_compiler(device, there.__contains__, there.__contains__, windows)
        return
    with pytest.raises(MachineError) as caught:
        check_compiler(device, there.__contains__, there.__contains__, windows)

    assert (str(caught.value), caught.value.hint) == told
