"""The processes that train together, one of which may be all there is.

Places of a step are split among them; gradients are summed. What a step sees depends neither on
their number nor on which of them sees it. Started by `torchrun` or `accelerate launch`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Gradients are summed in pieces of about so many numbers.
_PIECE = 1 << 24
# The first process may draw pictures and write files meanwhile: the others wait so long. Whoever
# ends takes the others along at once, without waiting: torchrun sees to it.
_MOST_WAITING = timedelta(days=7)


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        device: Where this process computes: cpu, cuda or cuda:1.
        rank: Its number; 0 writes all files.
        count: How many there are.
        alike: Whether all have to take as many passes: see `shards`.
    """

    device: str = "cpu"
    rank: int = 0
    count: int = 1
    alike: bool = False

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def passes(self, sizes: Sequence[int]) -> Iterator[range]:
        """Yield the places of a step that this process computes: its part of each batch in turn.

        Places are counted through all batches of the step. The parts of a batch go round from one
        batch to the next: where it has fewer samples than there are processes, others take it.

        Where all take as many passes, those who have no part of a batch get an empty range in it.

        Args:
            sizes: Samples of each batch of the step.
        """
        first = 0
        for number, size in enumerate(sizes):
            part = (self.rank + number) % self.count
            start, stop = (first + n * size // self.count for n in (part, part + 1))
            if start < stop:
                yield range(start, stop)
            elif self.alike:
                yield range(first, first)
            first += size

    def sum(self, tensors: "Sequence[Tensor]") -> None:
        """Replace float tensors by their sums over all processes."""
        if self.count == 1:
            return
        import torch
        from accelerate.utils import reduce  # type: ignore[import-untyped]

        for piece in _pieces(tensors):
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in piece])
            total: Tensor = reduce(flat, reduction="sum")
            sizes = [tensor.numel() for tensor in piece]
            for tensor, part in zip(piece, torch.split(total, sizes), strict=True):
                tensor.copy_(part.view_as(tensor))

    def any(self, *told: bool) -> tuple[bool, ...]:
        """Return of each answer whether any process gives it: all then do the same."""
        if self.count == 1:
            return told
        import torch

        found = torch.tensor(told, dtype=torch.float32, device=self.device)
        self.sum([found])
        return tuple(one > 0 for one in found.tolist())

    def shared(self, digests: Mapping[int, bytes], size: int) -> list[bytes]:
        """Return the digests of all places of a step, from those that each process has."""
        if self.count == 1:
            return [digests[place] for place in range(size)]
        import torch

        table = torch.zeros((size, 32), device=self.device)
        for place, digest in digests.items():
            table[place] = torch.tensor(list(digest), dtype=torch.float32)
        self.sum([table])
        return [bytes(int(byte) for byte in row) for row in table.tolist()]

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            from accelerate import PartialState  # type: ignore[import-untyped]

            PartialState().wait_for_everyone()


@contextmanager
def joined(wish: str) -> Iterator[Processes]:
    """Join the other processes, until the end of the block.

    Args:
        wish: auto, cpu or cuda.

    Raises:
        MachineError: `cuda` was asked for and is not there.
    """
    from accelerate import PartialState

    from prep.models.devices import torch_device

    kind = torch_device(wish)
    state = PartialState(cpu=kind == "cpu", timeout=_MOST_WAITING)
    numbered = kind != "cpu" and state.num_processes > 1  # of CPUs there is one
    device = str(state.device) if numbered else kind
    try:
        yield Processes(device, state.process_index, state.num_processes)
    finally:
        if state.num_processes > 1:
            state.destroy_process_group()


def _pieces(tensors: "Sequence[Tensor]") -> "Iterator[list[Tensor]]":
    piece: list[Tensor] = []
    size = 0
    for tensor in tensors:
        piece.append(tensor)
        size += tensor.numel()
        if size >= _PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
