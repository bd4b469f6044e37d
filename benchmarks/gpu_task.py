"""What `gpu` measures: base models at their real sizes with random weights, built on the card."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gpu_models import base_of, network_of, outline_of, states_for, write_latents
from train.adapters import lora_layers
from train.config import Config
from train.data import dataset
from train.data.batches import Batches
from train.data.text_states import TextCache
from train.families import all_families
from train.families.family import Base
from train.methods import config_of
from train.methods.lora import attach
from train.run.memory_forecast import PassShape, attached, forecast
from train.step.compiled import compile_network, compiling, uncompiled
from train.step.distributed import Processes
from train.step.kernels import kernels, lay_channels_last
from train.step.loop import Training, pace_of, train
from train.step.precision import HALVES, halved
from train.step.trainer import Trainer

if TYPE_CHECKING:
    from torch import Tensor

_MIB = 1 << 20


class Task:
    """Training a LoRA on one family's base model.

    Attributes:
        side: Of the square pictures, px.
    """

    def __init__(self, kind: str, device: str, tiny: bool, folder: Path) -> None:
        """Write a dataset of random latents; the model is built when it is needed first."""
        self.family, self.device, self._tiny = all_families()[kind], device, tiny
        self.side = 64 if tiny else 1024 if kind == "sdxl" else 512
        self._meta = write_latents(folder, self.family, self.side)
        self._base: Base | None = None
        self._compiled = False
        self._usual = "bf16" if device != "cpu" else "fp32"

    def ours(self, batch: int, steps: int, *, sure: bool = False, precision: str = "") -> float:
        """Return steps/s of our loop, the first third of them left out.

        Args:
            sure: Whether kernels are deterministic.
        """
        training, trainer = self._begun(batch, steps, precision or self._usual)
        at: list[float] = []
        with self._kernels(sure):
            train(training, trainer, 0, steps, lambda step: at.append(time.perf_counter()))
        late = at[steps // 3 :]
        return round((len(late) - 1) / (late[-1] - late[0]), 3)

    def bare(self, batch: int, steps: int) -> float:
        """Return steps/s of forward, backward and fused AdamW over the same modules."""
        import torch

        step = self._bare_step(batch)
        with self._kernels(False):
            for _ in range(steps // 3):
                step()
            self._wait()
            began = time.perf_counter()
            for _ in range(steps):
                step()
            self._wait()
        took = time.perf_counter() - began
        del step
        if self.device != "cpu":
            torch.cuda.empty_cache()
        return round(steps / took, 3)

    def tflop(self, batch: int) -> float:
        """Return what forward and backward of one step compute, by torch's own count, in TFLOP."""
        from torch.utils.flop_counter import FlopCounterMode

        step = self._bare_step(batch)
        with uncompiled(self._compiled), FlopCounterMode(display=False) as count:
            step()
        return round(count.get_total_flops() / 1e12, 6)

    def memory(self, batch: int) -> int | str:
        """Return the most that torch had allocated on the card in a few steps, in MiB."""
        import torch

        if self.device == "cpu":
            return "not counted on a CPU"
        self._begun(batch, 1, self._usual)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        self.ours(batch, 6)
        return torch.cuda.max_memory_allocated() // _MIB

    def forecast(self, batch: int) -> int:
        """Return the same as `train check` foretells it, in MiB."""
        config, outline = self._config(batch, 1, self._usual), outline_of(self.family, self._tiny)
        found = attached(outline, self.family, config, self.device)
        shape = PassShape(batch, (self.side, self.side))
        return forecast(found, self.family, config, shape).on_card // _MIB

    def finite(self, precision: str) -> bool:
        """Return that ten steps had finite losses: else the loop stops."""
        self.ours(1, 3 if self._tiny else 10, precision=precision)
        return True

    def resumed(self, sure: bool) -> str:
        """Return whether three steps and three more, restored, end in the weights of six."""
        import torch

        with self._kernels(sure):
            whole = self._ended(6)
            first = self._begun(1, 6, self._usual)
            train(*first, 0, 3, lambda step: None)
            weights = {name: one.detach().clone() for name, one in first[1].weights.items()}
            saved = (weights, first[1].tensors(), first[1].numbers())
            training, second = self._begun(1, 6, self._usual)
            second.restore(*saved)
            train(training, second, 3, 6, lambda step: None)
        parted = second.weights
        same = all(torch.equal(one, parted[name]) for name, one in whole.items())
        return "equal" if same else "differs"

    def compile(self) -> bool:
        """Let torch compile the network from now on: at its first steps."""
        compile_network(self._opened(self._usual).network)
        self._compiled = True
        return True

    def rest(self) -> None:
        """Leave the card to others."""
        import torch

        self._base, self._compiled = None, False
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def _ended(self, steps: int) -> "dict[str, Tensor]":
        training, trainer = self._begun(1, steps, self._usual)
        train(training, trainer, 0, steps, lambda step: None)
        return {name: one.detach().clone() for name, one in trainer.weights.items()}

    def _config(self, batch: int, steps: int, precision: str) -> Config:
        return config_of(rank=16, batch=batch, steps=steps, precision=precision)

    def _begun(self, batch: int, steps: int, precision: str) -> tuple[Training, Trainer]:
        """Return a training before its first step."""
        config, base = self._config(batch, steps, precision), self._opened(precision)
        lora_layers.seed_weights(base.network, config.seed)
        space = self.family.space
        batches = Batches(
            dataset.load([self._meta]), config, space.scale, space.shift, self.family.told
        )
        alone = Processes(self.device)
        states = TextCache(lambda texts: [states_for(base.network) for _ in texts])
        training = Training(base, self.family, batches, states, alone, pace_of(alone))
        return training, Trainer(base.learning(), config, self.device)

    def _opened(self, precision: str) -> Base:
        """Return the base model with its adapter, what does not learn in a half precision."""
        import torch

        kept = getattr(torch, HALVES.get(precision, "float32"))
        if self._base is None:
            torch.manual_seed(0)
            network = network_of(self.family, self.device, self._tiny)
            base = self._base = base_of(self.family, self.device, network, {})
            attach(base, self.family, self._config(1, 1, precision))
            if self.device != "cpu":
                lay_channels_last(base.network)
        for weight in self._base.network.parameters():
            if not weight.requires_grad:
                weight.data = weight.data.to(kept)
        return self._base

    def _bare_step(self, batch: int) -> Callable[[], None]:
        """Return a step over the same modules with inputs at hand."""
        import torch

        base = self._opened(self._usual)
        space, side = self.family.space, self.side // self.family.space.factor
        noisy = torch.randn((batch, space.channels, side, side), device=self.device)
        when = torch.full((batch,), 500, device=self.device)
        given = {
            name: one.to(self.device).expand(batch, *one.shape)
            for name, one in states_for(base.network).items()
        }
        size = next(iter(dataset.load([self._meta]).samples.values())).sizes
        given |= self.family.told([size] * batch, self.device)
        learn = list(base.learning().values())
        optimizer = torch.optim.AdamW(learn, lr=1e-4, fused=True)

        def step() -> None:
            with halved(self.device, self._usual):
                answer = self.family.denoise(base.network, noisy, when, given)
            torch.nn.functional.mse_loss(answer.float(), noisy).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return step

    @contextmanager
    def _kernels(self, sure: bool) -> Iterator[None]:
        import torch

        with ExitStack() as stack:
            stack.enter_context(kernels(self.device, "sdpa"))
            stack.enter_context(compiling(self._compiled))
            if sure:
                torch.use_deterministic_algorithms(True, warn_only=True)
                stack.callback(torch.use_deterministic_algorithms, False)
            yield

    def _wait(self) -> None:
        import torch

        if self.device != "cpu":
            torch.cuda.synchronize()
