"""Files of weights written a tensor at a time: memory, bytes, and tensors that wait on the disk."""

import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models.stored_tensors import StoredTensor, stored_in
from prep.runtime.errors import ModelFileError
from train.convert.write_weights import checked, spilling, write_file, write_lora


@pytest.mark.parametrize("write", [write_file, write_lora])
def test_one_tensor_is_in_memory_at_a_time(tmp_path: Path, write: object) -> None:
    """Each is asked for once, when the ones before are gone; so memory is that of the largest."""
    assert callable(write)
    alive, most, reads = set[str](), [0], list[str]()

    def stored(name: str) -> StoredTensor:
        def read() -> torch.Tensor:
            tensor = torch.full((64, 64), float(len(reads)))
            reads.append(name)
            alive.add(name)
            weakref.finalize(tensor.untyped_storage(), alive.discard, name)
            most[0] = max(most[0], len(alive))
            return tensor

        return StoredTensor("F32", (64, 64), read)

    tensors = {f"t{n:02}": stored(f"t{n:02}") for n in range(20)}
    write(tmp_path / "a.safetensors", checked(tensors, tmp_path), {"a": "b"})

    assert reads == sorted(tensors)
    assert most[0] <= 2
    assert load_file(tmp_path / "a.safetensors")["t19"][0, 0] == 19


def test_tensors_wait_on_the_disk(tmp_path: Path) -> None:
    """What was computed comes back to the bit, and leaves no file behind."""
    wanted = {"a": torch.randn(3, 4), "b": torch.tensor(2.5), "c": torch.arange(5)}
    with spilling(tmp_path / "new" / "out.safetensors") as spill:
        for name, tensor in wanted.items():
            spill.add(name, tensor)
        for name in reversed(wanted):
            assert torch.equal(spill.tensors[name].read(), wanted[name])
            assert spill.tensors[name].shape == wanted[name].shape
    assert not list(tmp_path.rglob("*.*"))


def test_a_ckpt_is_read_by_places(tmp_path: Path) -> None:
    """Views, other strides, shared storages and every dtype, as torch itself reads them."""
    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "whole": whole, "rows": whole[1:3], "columns": whole.T, "one": whole[2, 3],
        "half": whole.half(), "bf16": whole.bfloat16(), "ints": torch.arange(3),
        "none": torch.zeros(0),
    }  # fmt: skip
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": tensors, "epoch": 3}, path)
    found = stored_in(path)

    assert found.keys() == tensors.keys()
    for name, one in tensors.items():
        assert found[name].shape == one.shape
        assert torch.equal(found[name].read(), one)
        assert found[name].read().dtype == one.dtype


def test_a_file_that_shrinks_while_it_is_read_is_told(tmp_path: Path) -> None:
    """What was there when its header was read, and is not any more, is an error of two lines."""
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(100)}, path)
    found = stored_in(path)
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(ModelFileError) as caught:
        found["a"].read()
    assert str(caught.value) == f"`{path}` ends in the middle of a tensor"
