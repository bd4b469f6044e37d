import pytest

from prep.models.devices import pick_device
from prep.runtime.errors import MachineError


@pytest.mark.parametrize(
    ("wish", "cuda", "device"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_the_device_is_chosen_by_a_rule(wish: str, cuda: bool, device: str) -> None:
    """`auto` takes CUDA where it is; a wish is kept."""
    assert pick_device(wish, cuda) == device


def test_a_cuda_that_is_not_there_is_said() -> None:
    """Asked for CUDA on a machine without it, the run stops instead of falling back silently."""
    with pytest.raises(MachineError, match=r"^no CUDA device can be used by this PyTorch$"):
        pick_device("cuda", False)
