from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from prep.runtime.errors import ModelFileError
from tagger_models.onnx.external_data import check_external, external_files


def outside(name: str, key: str = "location") -> onnx.TensorProto:
    """Return three weights that lie in another file."""
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key=key, value=name)
    return tensor


def graph_of(*tensors: onnx.TensorProto, nodes: tuple[onnx.NodeProto, ...] = ()) -> onnx.GraphProto:
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])]
    return helper.make_graph(list(nodes), "g", ends, ends, list(tensors))


def saved(folder: Path, graph: onnx.GraphProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def told(model: Path, known: list[Path]) -> tuple[str, str | None]:
    with pytest.raises(ModelFileError) as raised:
        check_external(model, known)
    return str(raised.value), raised.value.hint


def test_every_place_where_a_tensor_can_hide_is_looked_into(tmp_path: Path) -> None:
    """Weights, sparse weights, constants, branches of branches and functions are all searched."""
    inner = helper.make_node("If", ["c"], ["y"], then_branch=graph_of(outside("branch")))
    deep = helper.make_node("If", ["c"], ["y"], else_branch=graph_of(nodes=(inner,)))
    constant = helper.make_node("Constant", [], ["k"], value=outside("constant"))
    several = helper.make_node("Many", [], ["z"], domain="my", some=[graph_of(outside("several"))])
    graph = graph_of(outside("weight"), outside("weight"), nodes=(deep, constant, several))
    graph.sparse_initializer.add().values.CopyFrom(outside("sparse"))
    path = saved(tmp_path, graph)
    model = onnx.load(path, load_external_data=False)
    held = helper.make_node("Constant", [], ["k"], value=outside("function"))
    model.functions.append(
        helper.make_function("my", "f", [], ["k"], [held], [helper.make_opsetid("", 17)])
    )
    path.write_bytes(model.SerializeToString())

    assert external_files(path) == ["branch", "constant", "function", "several", "sparse", "weight"]


def test_a_model_of_one_file_reads_no_other(tmp_path: Path) -> None:
    """Weights inside the file, even ones whose bytes look like a name, point nowhere."""
    inside = helper.make_tensor("w", TensorProto.STRING, [1], [b"\x0a\x08location\x12\x03abc"])

    assert external_files(saved(tmp_path, graph_of(inside))) == []


@pytest.mark.parametrize(
    "name", ["../x.bin", "a/../../x.bin", "a/../y.bin", "/etc/passwd", "c:\\x", "C:x", "a\0b"]
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    """Row 53: external data with `..`, an absolute path, a drive or a NUL is never opened."""
    (tmp_path / "m").mkdir()
    (tmp_path / "x.bin").write_bytes(bytes(12))
    (tmp_path / "m" / "y.bin").write_bytes(bytes(12))
    model = saved(tmp_path / "m", graph_of(outside(name)))

    assert told(model, [model, model.parent / name]) == (
        f"`{model}` wants to read `{name}`, which is outside its folder",
        "do not use this model: get it from a place you trust",
    )


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    """Row 53: a plain name that is a link to a file elsewhere is refused too."""
    (tmp_path / "m").mkdir()
    (tmp_path / "secret").write_bytes(bytes(12))
    (tmp_path / "m" / "model.onnx_data").symlink_to("../secret")
    model = saved(tmp_path / "m", graph_of(outside("model.onnx_data")))

    message, _ = told(model, [model, model.parent / "model.onnx_data"])

    assert message == f"`{model}` wants to read `model.onnx_data`, which is outside its folder"


def test_missing_weights_are_named(tmp_path: Path) -> None:
    """Row 53: external data that was not downloaded is told by name and place."""
    model = saved(tmp_path, graph_of(outside("model.onnx_data")))

    assert told(model, [model]) == (
        f"`{model}` is not complete: `model.onnx_data` is missing",
        "put `model.onnx_data` beside it, from where the model came from",
    )


def test_weights_outside_the_digest_are_refused(tmp_path: Path) -> None:
    """Row 53: no file that nobody hashed decides a score."""
    (tmp_path / "other.bin").write_bytes(bytes(12))
    model = saved(tmp_path, graph_of(outside("other.bin")))

    assert told(model, [model]) == (
        f"`{model}` keeps weights in `other.bin`, a name that is not checked",
        "save the model again as one file, or with its weights in `model.onnx_data`",
    )
    check_external(model, [model, tmp_path / "other.bin"])


def test_the_hubs_cache_is_no_escape(tmp_path: Path) -> None:
    """Model and weights that are both links into the hub's folder of blobs are accepted."""
    snapshot, blobs = tmp_path / "snapshots" / "r", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    saved(blobs, graph_of(outside("model.onnx_data"))).rename(blobs / "aa")
    (blobs / "bb").write_bytes(bytes(12))
    (snapshot / "model.onnx").symlink_to("../../blobs/aa")
    (snapshot / "model.onnx_data").symlink_to("../../blobs/bb")

    check_external(snapshot / "model.onnx", list(snapshot.iterdir()))


def test_a_model_cut_anywhere_gives_a_clean_answer(tmp_path: Path) -> None:
    """Cut after any byte, a model is either read to a true list or called damaged."""
    path = saved(tmp_path, graph_of(outside("weight"), outside("other")))
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            assert set(external_files(path)) <= {"weight", "other"}
        except ModelFileError as error:
            assert str(error) == f"`{path}` is damaged: it is not a whole ONNX model"  # noqa: PT017
            assert error.hint == "fetch the file again"  # noqa: PT017
