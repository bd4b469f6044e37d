"""LoHa, LoKr, OFT and DoRA: what trains, what readers compute, and what other libraries compute."""

import copy
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from train.adapters import adapted_layers, adapter_shapes, weight_rules
from train.adapters.adapter_kinds import whole_kind

SHAPES: Mapping[str, Any] = {
    "loha": partial(adapter_shapes.loha, rank=3),
    "lokr": partial(adapter_shapes.lokr, rank=1, factor=-1, both=True),
    "lokr of a whole factor": partial(adapter_shapes.lokr, rank=2, factor=2, both=False),
    "lokr of two whole factors": partial(adapter_shapes.lokr, rank=64, factor=-1, both=False),
    "oft": partial(adapter_shapes.oft, width=4),
    "dora of inputs": partial(adapter_shapes.dora, rank=3, of_inputs=True),
    "dora of outputs": partial(adapter_shapes.dora, rank=3, of_inputs=False),
}
SCALE = 0.5
LAYERS = {
    "matrix": lambda: nn.Linear(12, 20),
    "kernel": lambda: nn.Conv2d(12, 20, 3, stride=2, padding=1),
    "pixel": lambda: nn.Conv2d(12, 20, 1, bias=False),
}
NETWORK = [(kind, layer) for kind in SHAPES for layer in LAYERS]


def _adapted(kind: str, layer: str, learned: bool = True) -> tuple[Any, torch.Tensor, Any]:
    """Return an adapted module, something that it is given, and a copy of it without adapter."""
    torch.manual_seed(len(kind))
    plain: Any = LAYERS[layer]().requires_grad_(False)
    found = copy.deepcopy(plain)
    network = nn.Sequential()
    network.add_module("one", found)
    adapted_layers.adapt(network, lambda name: name == "one", SHAPES[kind], lambda shape: SCALE)
    adapted_layers.seed_weights(network, 7)
    for tensor in adapted_layers.weights(found).values() if learned else ():
        tensor.data += 0.1 * torch.randn_like(tensor)
    shape = (2, 5, 12) if layer == "matrix" else (2, 12, 6, 6)
    return found, torch.randn(shape), plain


def _file(layer: Any) -> dict[str, Any]:
    """Return what a file holds of a module, float64."""
    tensors = adapted_layers.weights(layer).items()
    found = {name: one.detach().double().numpy() for name, one in tensors}
    return found | {"alpha": np.float64(adapted_layers._alpha(layer, dict(tensors)))}


def _loha(at: Any, weight: Any) -> Any:
    rank = at["hada_w1_b"].shape[0]
    one, two = at["hada_w1_a"] @ at["hada_w1_b"], at["hada_w2_a"] @ at["hada_w2_b"]
    return weight + (one * two * at["alpha"] / rank).reshape(weight.shape)


def _lokr(at: Any, weight: Any) -> Any:
    """The block (i, j) of a Kronecker product is the second factor times number (i, j)."""
    rank = next((at[n].shape[0] for n in ("lokr_w2_b", "lokr_w1_b") if n in at), None)
    one = at["lokr_w1"] if "lokr_w1" in at else at["lokr_w1_a"] @ at["lokr_w1_b"]
    two = at["lokr_w2"] if "lokr_w2" in at else at["lokr_w2_a"] @ at["lokr_w2_b"]
    two = two.reshape(two.shape[0], weight.shape[1] // one.shape[1], *weight.shape[2:])
    rows = [np.concatenate([number * two for number in row], axis=1) for row in one]
    return weight + np.concatenate(rows, axis=0) * (at["alpha"] / rank if rank else 1.0)


def _oft(at: Any, weight: Any) -> Any:
    """Cayley: (1 + Q)(1 - Q)^-1 of the skew part turns each block of outputs, transposed."""
    found, start = [], 0
    for block in at["oft_blocks"]:
        skew, one = block - block.T, np.eye(len(block))
        turn = (one + skew) @ np.linalg.inv(one - skew)
        part = weight[start : start + len(block)]
        found.append((turn.T @ part.reshape(len(block), -1)).reshape(part.shape))
        start += len(block)
    return np.concatenate(found)


def _dora(at: Any, weight: Any) -> Any:
    """Every column (of inputs) or row (of outputs) has the length that the magnitude says."""
    down, up = at["lora_down.weight"], at["lora_up.weight"]
    pair = up.reshape(len(up), -1) @ down.reshape(len(down), -1) * at["alpha"] / len(down)
    whole = weight + pair.reshape(weight.shape)
    other = (
        (0, *range(2, weight.ndim))
        if at["dora_scale"].shape[0] == 1
        else tuple(range(1, weight.ndim))
    )
    return whole / np.sqrt((whole**2).sum(axis=other, keepdims=True)) * at["dora_scale"]


# The rules of ComfyUI's weight adapters and AUTOMATIC1111's networks, from their definitions.
RULES = {"loha": _loha, "lokr": _lokr, "oft": _oft, "dora": _dora}


def _answer(plain: Any, given: torch.Tensor, weight: Any) -> torch.Tensor:
    other = copy.deepcopy(plain).double()
    other.weight.data = torch.from_numpy(np.asarray(weight))
    return other(given.double())  # type: ignore[no-any-return]


@pytest.mark.parametrize(("kind", "layer"), NETWORK)
def test_a_module_answers_as_the_rules_of_its_readers_say(kind: str, layer: str) -> None:
    """Trained layer, our reader and NumPy in float64 agree, and every tensor gets a gradient."""
    found, given, plain = _adapted(kind, layer)
    at, weight = _file(found), plain.weight.double().numpy()
    wanted = RULES[kind.partition(" ")[0]](at, weight)

    answer = found(given)
    answer.sum().backward()
    read = weight_rules.change({n: torch.as_tensor(one) for n, one in at.items()},
                               torch.from_numpy(weight))  # fmt: skip

    assert torch.allclose(answer.double(), _answer(plain, given, wanted), atol=1e-5)
    assert np.allclose(read.numpy(), wanted - weight, atol=1e-12)
    assert float(abs(wanted - weight).max()) > 0.01
    own = adapted_layers.weights(found)
    assert all(one.grad is not None and one.grad.any() for one in own.values())
    made = whole_kind({name: tuple(one.shape) for name, one in own.items()})
    assert made is not None
    assert made.name.lower() == kind.partition(" ")[0]
    assert made.fits(tuple(weight.shape))


@pytest.mark.parametrize(("kind", "layer"), NETWORK)
def test_an_adapter_changes_nothing_at_first(kind: str, layer: str) -> None:
    """First numbers answer as the base model does; they follow from seed and names alone."""
    found, given, plain = _adapted(kind, layer, learned=False)
    torch.manual_seed(1)
    again, *_ = _adapted(kind, layer, learned=False)

    assert torch.allclose(found(given), plain(given), atol=1e-6)
    found.weight.data[:, 0] = 0  # as pruned models have it
    adapted_layers.seed_weights(nn.Sequential(found), 7)
    assert found(given).isfinite().all()
    found.weight.data.copy_(plain.weight)
    adapted_layers.seed_weights(nn.Sequential(OrderedDict(one=found)), 7)
    own = adapted_layers.weights(again)
    assert all(torch.equal(one, own[n]) for n, one in adapted_layers.weights(found).items())


@pytest.mark.parametrize(("kind", "layer"), [one for one in NETWORK if "of inputs" not in one[0]])
def test_lycoris_computes_the_same(kind: str, layer: str) -> None:
    """The loader of lycoris-lora makes of a module's tensors a module that answers as ours.

    It takes every magnitude of a DoRA for one of outputs.
    """
    pytest.importorskip("lycoris", reason="lycoris-lora is not installed")
    from lycoris.modules import get_module, make_module

    found, given, plain = _adapted(kind, layer)
    file = {f"x.{name}": torch.as_tensor(one).float() for name, one in _file(found).items()}

    other = make_module(*get_module(file, "x"), "x", plain)
    other.apply_to()

    assert torch.allclose(plain(given), found(given), atol=1e-5)


@pytest.mark.parametrize("kind", ["loha", "lokr", "dora of outputs"])
def test_peft_computes_the_same(kind: str) -> None:
    """The layers of peft with the same numbers answer as ours do."""
    import peft

    found, given, plain = _adapted(kind, "matrix")
    alike = {"target_modules": ["one"], "alpha": SCALE * 3, "r": 3}
    configs = {
        "loha": lambda: peft.LoHaConfig(**alike),
        "lokr": lambda: peft.LoKrConfig(
            **alike | {"r": 1, "alpha": SCALE}, decompose_both=True, decompose_factor=-1
        ),
        "dora of outputs": lambda: peft.LoraConfig(
            target_modules=["one"],
            r=3,
            lora_alpha=SCALE * 3,
            use_dora=True,  # type: ignore[arg-type]
        ),
    }
    network = nn.Sequential()
    network.add_module("one", plain)
    peft.inject_adapter_in_model(configs[kind](), network, adapter_name="x")
    names = {"lora_down.weight": "lora_A.x.weight", "lora_up.weight": "lora_B.x.weight",
             "dora_scale": "lora_magnitude_vector.x.weight"}  # fmt: skip
    for name, one in adapted_layers.weights(found).items():
        their = network.one.get_parameter(names.get(name, f"{name}.x"))
        their.data = one.detach().reshape(their.shape).clone()

    assert torch.allclose(network(given), found(given), atol=1e-5)


def _some(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _tucker(core: Any, one: Any, two: Any) -> Any:
    """out, in, height, width: the core with a matrix at each of its first two axes."""
    return np.stack([
        np.tensordot(two.T, sum(one[i, out] * core[i] for i in range(len(core))), axes=1)
        for out in range(one.shape[1])
    ])  # fmt: skip


def test_what_other_trainers_write_is_read_by_the_same_rules() -> None:
    """Tucker's form, a bound and a rescaling of an OFT, and a magnitude on a LoHa are read."""
    weight = _some(6, 4, 3, 3)
    core = {f"hada_t{n}": _some(2, 2, 3, 3) for n in (1, 2)}
    core |= {f"hada_w{n}_a": _some(2, 6) + n for n in (1, 2)}
    core |= {f"hada_w{n}_b": _some(2, 4) - n for n in (1, 2)}
    kron = {"lokr_w1": _some(2, 2), "lokr_t2": _some(2, 2, 3, 3), "lokr_w2_a": _some(2, 3),
            "lokr_w2_b": _some(2, 2), "alpha": torch.tensor(3.0)}  # fmt: skip
    turn = {"oft_blocks": _some(3, 2, 2), "rescale": _some(6, 1, 1, 1), "alpha": torch.tensor(0.1)}
    flat = {"hada_w1_a": _some(6, 2), "hada_w1_b": _some(2, 36), "hada_w2_a": _some(6, 2),
            "hada_w2_b": _some(2, 36), "dora_scale": _some(1, 4, 1, 1).abs()}  # fmt: skip

    def read(tensors: Mapping[str, torch.Tensor]) -> Any:
        shapes = {name: tuple(one.shape) for name, one in tensors.items() if name != "alpha"}
        kind = whole_kind(shapes)
        assert kind is not None
        assert kind.fits((6, 4, 3, 3))
        return weight_rules.change(tensors, weight).numpy()

    def tucker(at: Mapping[str, torch.Tensor], *names: str) -> Any:
        return _tucker(*(at[name].numpy() for name in names))

    first = tucker(core, "hada_t1", "hada_w1_a", "hada_w1_b")
    assert np.allclose(read(core), first * tucker(core, "hada_t2", "hada_w2_a", "hada_w2_b"))
    second = tucker(kron, "lokr_t2", "lokr_w2_a", "lokr_w2_b")
    whole = np.einsum("ab,cdhw->acbdhw", kron["lokr_w1"], second).reshape(6, 4, 3, 3)
    assert np.allclose(read(kron), whole * 3 / 2)
    skew = turn["oft_blocks"] - turn["oft_blocks"].transpose(1, 2)
    bound = {"oft_blocks": turn["oft_blocks"].numpy() * float(0.6 / skew.norm())}
    turned = _oft(bound, weight.numpy()) * turn["rescale"].numpy()
    assert np.allclose(read(turn), turned - weight.numpy(), atol=1e-6)
    plain = _loha({**{n: one.numpy() for n, one in flat.items()}, "alpha": 2}, weight.numpy())
    length = np.sqrt((plain**2).sum(axis=(0, 2, 3), keepdims=True))
    wanted = plain / length * flat["dora_scale"].numpy()
    assert np.allclose(read(flat), wanted - weight.numpy())


def test_factors_are_those_of_lycoris() -> None:
    """A table by hand, and LyCORIS' own function, where it is installed."""
    table = {
        127: [(1, 127)] * 5, 128: [(8, 16), (2, 64), (4, 32), (8, 16), (8, 16)],
        250: [(10, 25), (2, 125), (2, 125), (5, 50), (10, 25)],
        360: [(18, 20), (2, 180), (4, 90), (8, 45), (15, 24)],
        512: [(16, 32), (2, 256), (4, 128), (8, 64), (16, 32)],
        1024: [(32, 32), (2, 512), (4, 256), (8, 128), (16, 64)],
    }  # fmt: skip
    for size, wanted in table.items():
        assert [adapter_shapes.factors(size, most) for most in (-1, 2, 4, 8, 16)] == wanted
    general = pytest.importorskip("lycoris.functional.general")
    sizes = [*range(1, 400), 640, 768, 1280, 2560, 10240]
    for size in sizes:
        for most in (-1, 0, 1, 3, 4, 7, 8, 16, 60, 128, 5000):
            assert adapter_shapes.factors(size, most) == general.factorization(size, most)
