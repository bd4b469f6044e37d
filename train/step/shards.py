"""A network whose weights, gradients and optimizer state are split over the processes.

Each process keeps a part; the whole of a block is together only while it computes (FSDP). So a
fine-tune fits cards that its optimizer alone would fill. All processes have to go through the same
blocks the same number of times.

Source: Rajbhandari et al. 2020 (ZeRO), stage 3; torch.distributed.fsdp `fully_shard`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from train.families.family import Base
from train.step.distributed import Processes

if TYPE_CHECKING:
    from torch import Tensor


def shard(base: Base, processes: Processes) -> None:
    """Split the weights of the network in place, block by block; alone, leave it whole.

    The gradients of all processes are summed where they are split.
    """
    if processes.count == 1:
        return
    from torch import nn
    from torch.distributed.fsdp import fully_shard

    for module in base.network.children():
        for block in module if isinstance(module, nn.ModuleList) else ():
            fully_shard(block)
    network: Any = fully_shard(base.network)
    for part in _parts(network):
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)  # gloo knows no other


@contextmanager
def whole(base: Base) -> Iterator[None]:
    """Return a block in which every process has all weights, and may compute without the others.

    All of them have to enter it. Nothing may learn within it.
    """
    parts = list(_parts(base.network))
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    # Whoever reads a `state_dict` would split the weights again.
    hooks = [(one, dict(one._state_dict_pre_hooks)) for one in base.network.modules() if parts]
    for module, _ in hooks:
        module._state_dict_pre_hooks.clear()
    try:
        yield
    finally:
        for module, own in hooks:
            module._state_dict_pre_hooks.update(own)
        for part in parts:
            part.reshard()
            # As it is by default: the last to be used, the network's own, stays for the way back.
            part.set_reshard_after_forward(part is not base.network, recurse=False)


def _parts(network: Any) -> Iterator[Any]:
    """Yield the modules that are split, none of a network that is not."""
    from torch.distributed.fsdp import FSDPModule

    return (one for one in network.modules() if isinstance(one, FSDPModule))


def is_split(tensor: Any) -> bool:
    """Return whether this process has only a part of a tensor."""
    return hasattr(tensor, "full_tensor")


def gathered(tensors: "Mapping[str, Tensor]", processes: Processes) -> "dict[str, Tensor]":
    """Return tensors that are split as whole ones, on the CPU; the others as they are.

    All processes have to ask; only the first one gets any.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        one: Any = tensor
        made = one.detach().full_tensor().cpu() if is_split(one) else tensor
        if processes.first:
            found[name] = made
    return found


def split_as(like: Any, tensor: "Tensor") -> "Tensor":
    """Return a whole tensor split as another one is; as it is beside one that is not split."""
    if not is_split(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    found: Tensor = distribute_tensor(
        tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )
    return found
