import json
import struct
from pathlib import Path

import pytest

from prep.models import safetensors_file
from prep.models.safetensors_file import Packed
from prep.runtime.errors import ModelFileError


def test_the_bytes_are_those_of_the_format() -> None:
    """A file is the header's length, a header sorted by name and padded to 8, then the tensors."""
    made = safetensors_file.dump(
        {"b": Packed("F32", (), b"\1\2\3\4"), "a": Packed("BF16", (2, 1), b"abcd")},
        {"z": "1", "k": "\u3042"},
    )

    head = (
        '{"__metadata__":{"k":"\u3042","z":"1"},"a":{"dtype":"BF16","shape":[2,1],'
        '"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}'
    ).encode()
    head += b" " * (-len(head) % 8)
    assert made == struct.pack("<Q", len(head)) + head + b"abcd\1\2\3\4"


def test_the_order_given_changes_no_byte() -> None:
    """Equal tensors and metadata give equal bytes, in whatever order they come."""
    one, two = Packed("F32", (1,), b"1234"), Packed("F32", (1,), b"5678")

    assert safetensors_file.dump(
        {"a": one, "b": two}, {"x": "1", "y": "2"}
    ) == safetensors_file.dump({"b": two, "a": one}, {"y": "2", "x": "1"})


def test_the_library_reads_what_we_write(tmp_path: Path) -> None:
    """The safetensors library finds the same tensors and metadata in our file."""
    import torch
    from safetensors import safe_open

    wanted = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    path = tmp_path / "a.safetensors"
    path.write_bytes(
        safetensors_file.dump({"t": Packed("F32", (2, 3), wanted.numpy().tobytes())}, {"who": "we"})
    )

    with safe_open(path, "pt") as file:
        assert file.metadata() == {"who": "we"}
        assert torch.equal(file.get_tensor("t"), wanted)


def test_the_header_tells_where_each_tensor_lies(tmp_path: Path) -> None:
    """A tensor's place in the file is told without reading it, also for files of the library."""
    import numpy as np
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    values = {"b": np.arange(3, dtype=np.float32), "a": np.ones((2, 2), np.float16)}
    save_file(values, path, {"m": "1"})

    found = safetensors_file.header(path)

    assert found.metadata == {"m": "1"}
    assert list(found.tensors) == ["a", "b"]
    for name, place in found.tensors.items():
        assert path.read_bytes()[place.start : place.end] == values[name].tobytes()
        assert place.shape == values[name].shape


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    """Row 51: a safetensors file cut short is damaged, and said to be so."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors_file.dump({"t": Packed("F32", (2,), b"12345678")})[:-1])

    with pytest.raises(ModelFileError) as caught:
        safetensors_file.header(path)

    assert str(caught.value) == f"`{path}` is damaged: it is not a whole safetensors file"


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    """A digest is over name, dtype, shape and bytes; metadata is not in it, another bit is."""
    from prep.runtime.files import canonical, digest_bytes

    one, two = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    one.write_bytes(safetensors_file.dump({"a": Packed("F32", (1,), b"1234")}, {"note": "x"}))
    two.write_bytes(safetensors_file.dump({"a": Packed("F32", (1,), b"1235")}))

    def digest(path: Path) -> str:
        return safetensors_file.digest(
            {k: (v, path) for k, v in safetensors_file.header(path).tensors.items()}
        )

    title = canonical(["a", "F32", [1]]).encode()
    assert json.loads(title) == ["a", "F32", [1]]
    assert digest(one) == digest_bytes(struct.pack("<Q", len(title)) + title + b"1234")
    assert digest(one) != digest(two)


def test_matrices_lie_at_round_addresses(tmp_path: Path) -> None:
    """Single numbers come last, and `align` says where the first tensor may begin."""
    path = tmp_path / "x.safetensors"
    tensors = {
        "a": safetensors_file.Packed("F32", (), b"\0" * 4),
        "b": safetensors_file.Packed("F32", (16,), b"\1" * 64),
        "c": safetensors_file.Packed("F32", (16,), b"\2" * 64),
    }

    path.write_bytes(safetensors_file.dump(tensors, {"k": "v"}, align=64))
    found = safetensors_file.header(path).tensors

    assert list(found) == ["a", "b", "c"]
    assert [found[name].start % 64 for name in "bc"] == [0, 0]
    assert found["a"].end == path.stat().st_size


@pytest.mark.parametrize("data", [b'{"mean": [0.1]}', b"\x89PNG\r\n\x1a\n\0\0\0\r", b"a", b""])
def test_a_file_of_another_kind_by_any_name(tmp_path: Path, data: bytes) -> None:
    """Its first bytes are not taken for a length: they would ask for exabytes of memory."""
    (tmp_path / "it.json").write_bytes(data)

    with pytest.raises(ModelFileError) as caught:
        safetensors_file.header(tmp_path / "it.json")

    assert (str(caught.value), caught.value.hint) == (
        f"`{tmp_path / 'it.json'}` is not a safetensors file",
        "name a `.safetensors` file",
    )
