"""Hypernetworks: in AUTOMATIC1111's format, against a reference written from it."""

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from prep.models.locate import Models
from prep.runtime.errors import ConfigError, UserError
from tests.train.conftest import build_base, build_dataset
from tests.train.runs import new_console, said
from train.adapters import file_kinds, hypernetwork_file, hypernetwork_layers
from train.adapters.hypernetwork_layers import ACTIVATIONS, Structure
from train.export import hypernetwork_export
from train.export.lora_file import ProofError
from train.families import all_families
from train.families.sd15 import FAMILY
from train.methods import all_methods, config_of
from train.run import start
from train.samples import sheet
from train.samples.picture_text import written
from train.samples.subject import subject_of
from train.samples.wish import Wish, asked
from train.weights.explain import explain

METHOD = all_methods()["hypernetwork"]
OWN = {"layer_structure": "1,1.5,2,1", "activation": "swish", "layer_norm": True}
# The names that AUTOMATIC1111's modules/safe.py lets a file hold.
ALLOWED = re.compile(
    r"^([^/]+)/((data/\d+)|version|byteorder|(\.data/serialization_id)|(data\.pkl))$"
)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """A finished run, and its file as torch reads it."""

    base: Path
    meta: Path
    config: Any
    made: Path
    file: Any


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A hypernetwork of three layers, learnt in two steps."""
    top = tmp_path_factory.mktemp("hypernetwork")
    base = build_base(top / "base")
    meta = build_dataset(top / "data", base, count=2, buckets=((64, 64),))
    (top / "prompts").write_text("mascot --w 64 --h 64 --s 1\n")
    config = config_of(
        "hypernetwork", **OWN, steps=2, learning_rate=0.1, out=top / "runs", name="toy",
        prompts=top / "prompts",
    )  # fmt: skip
    made = start.start([meta], config, Models(top / "home", offline=True), new_console())
    return Trained(base, meta, config, made, torch.load(made, weights_only=True))


def reference(x: Array, tensors: Any, facts: Any, strength: float) -> Array:
    """Return what goes to a layer for keys or values, float64, as the format says it.

    Source:
        AUTOMATIC1111's stable-diffusion-webui, modules/hypernetworks/hypernetwork.py:
        `HypernetworkModule.__init__` gives each part of `linear` its number, `forward` adds it.
    """
    layers, number, y = facts["layer_structure"], 0, x
    dropouts = facts.get("dropout_structure")
    for i in range(len(layers) - 1):
        weight, bias = (
            tensors[f"linear.{number}.{n}"].double().numpy() for n in ("weight", "bias")
        )
        y, number = y @ weight.T + bias, number + 1
        if facts["activation_func"] not in ("linear", None) and (
            i < len(layers) - 2 or facts["activate_output"]
        ):
            y, number = FUNCTIONS[facts["activation_func"]](y), number + 1
        if facts["is_layer_norm"]:
            weight, bias = (
                tensors[f"linear.{number}.{n}"].double().numpy() for n in ("weight", "bias")
            )
            mean, var = y.mean(-1, keepdims=True), y.var(-1, keepdims=True)
            y, number = (y - mean) / np.sqrt(var + 1e-5) * weight + bias, number + 1
        if dropouts is not None and dropouts[i + 1] > 0:
            number += 1
    return x + strength * y


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda y: np.maximum(y, 0),
    "leakyrelu": lambda y: np.where(y > 0, y, 0.01 * y),
    "elu": lambda y: np.where(y > 0, y, np.expm1(y)),
    "swish": lambda y: y * np.clip(y + 3, 0, 6) / 6,
    "tanh": np.tanh,
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
}


def test_keys_and_values_see_what_the_format_says(trained: Trained) -> None:
    """Of every attention, at half the strength; queries and other layers see what they saw."""
    base = FAMILY.load(trained.base, "cpu")
    act = file_kinds.put_on([(trained.made, 1.0)], base, FAMILY, {"MID": 0.5})
    seen: dict[str, list[torch.Tensor]] = {}
    network: Any = base.network
    for name, module in network.named_modules():
        if name.endswith((".to_q", ".to_k", ".to_v")):
            hook = _keeping(seen.setdefault(name, []))
            module.register_forward_pre_hook(hook, prepend=True)  # what comes
            module.register_forward_pre_hook(hook)  # what it is given
    (state,) = FAMILY.encode(base, ["mascot"])
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for strength in (0.5, 0.0):
        act(strength)
        for each in seen.values():
            each.clear()
        with torch.no_grad():
            FAMILY.denoise(network, noisy, torch.tensor([500]), {"text": state["text"][None]})
        for name, (came, given) in seen.items():
            part = {"k": 0, "v": 1}.get(name[-1])
            if part is None or not strength:
                assert torch.equal(came, given)
                continue
            share = strength * (0.5 if FAMILY.block(name) == "MID" else 1)
            tensors = trained.file[came.shape[-1]][part]
            wanted = reference(came.double().numpy(), tensors, trained.file, share)
            assert np.abs(given.numpy() - wanted).max() < 1e-5 < np.abs(wanted - came.numpy()).max()
    assert {one.shape[-1] for each in seen.values() for one in each} == {32, 64}


def _keeping(kept: list[torch.Tensor]) -> Any:
    return lambda module, given: kept.append(given[0])


@pytest.mark.parametrize("facts", [
    {"activation_func": word, "is_layer_norm": number % 2 == 0, "activate_output": number % 3 == 0}
    for number, word in enumerate(("linear", None, *ACTIVATIONS))
] + [{"activation_func": "relu", "dropout_structure": [0, 0.3, 0.1, 0]},
     {"activation_func": "relu", "use_dropout": True, "activate_output": False}])  # fmt: skip
def test_files_of_every_structure_are_read(tmp_path: Path, facts: dict[str, Any]) -> None:
    """Activations, normalisation, dropout by both of its spellings: numbered as the format does."""
    whole = {
        "layer_structure": [1, 2, 0.5, 1],
        "is_layer_norm": False,
        "activate_output": True,
    } | facts
    if whole.get("use_dropout"):
        whole["dropout_structure"] = [0, 0.3, 0, 0]
    generator = torch.Generator().manual_seed(1)
    pair = tuple(_tensors(whole, generator) for _ in range(2))
    if whole.get("use_dropout"):
        del whole["dropout_structure"]
    for one in pair:  # as `state_dict` gives them
        one._metadata = OrderedDict(version=1)  # type: ignore[attr-defined]
    file = tmp_path / "x.pt"
    torch.save({8: pair, "step": 3, "name": "x"} | whole, file)
    hypernetwork_file.check(file)
    x = torch.randn(2, 5, 8, generator=generator)
    if whole.get("use_dropout"):
        whole["dropout_structure"] = [0, 0.3, 0, 0]

    made = hypernetwork_file.opened(file)[8]
    for end, tensors in zip(("k", "v"), pair, strict=True):
        wanted = reference(x.double().numpy(), tensors, whole, 1.0)
        wide = max(1.0, np.abs(wanted).max())  # float32 rounds what is as large as this
        assert np.abs((x + made[end](x)).numpy() - wanted).max() < 1e-5 * wide


def test_the_oldest_files_are_read(tmp_path: Path) -> None:
    """Two layers by names of their own, and no facts: no activation, no normalisation."""
    x, up, down = torch.randn(5, 8), torch.randn(16, 8), torch.randn(8, 16)
    old = {
        "linear1.weight": up, "linear1.bias": torch.ones(16),
        "linear2.weight": down, "linear2.bias": torch.ones(8),
    }  # fmt: skip
    torch.save({8: (old, old)}, tmp_path / "x.pt")

    found = hypernetwork_file.opened(tmp_path / "x.pt")[8]["v"](x)
    assert torch.allclose(found, (x @ up.T + 1) @ down.T + 1, atol=1e-4)


def _tensors(facts: Any, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Return weights of width 8, with the numbers of the parts that have some."""
    sizes, number = [int(8 * one) for one in facts["layer_structure"]], 0
    found: OrderedDict[str, torch.Tensor] = OrderedDict()
    for i in range(3):
        shape = (sizes[i + 1], sizes[i])
        found[f"linear.{number}.weight"] = torch.randn(shape, generator=generator)
        found[f"linear.{number}.bias"] = torch.randn(shape[0], generator=generator)
        number += 1
        has = facts["activation_func"] not in ("linear", None)
        number += has and (i < 2 or facts["activate_output"])
        if facts["is_layer_norm"]:
            found[f"linear.{number}.weight"] = torch.randn(shape[0], generator=generator)
            found[f"linear.{number}.bias"] = torch.randn(shape[0], generator=generator)
            number += 1
        number += bool(facts.get("dropout_structure", [0] * 4)[i + 1])
    return found


def test_only_the_small_networks_learn(trained: Trained) -> None:
    """They begin as the format's, by seed and name; no weight of the base model gets a gradient."""
    bases = [FAMILY.load(trained.base, "cpu") for _ in range(2)]
    for base in bases:
        METHOD.attach(base, FAMILY, trained.config)
    learn = bases[0].learning()
    sizes = {"unet": {n: tuple(w.shape) for n, w in bases[1].network.named_parameters()}}

    assert all(torch.equal(one, bases[1].learning()[name]) for name, one in learn.items())
    assert all(name.startswith("hypernetwork.") for name in learn)
    first = learn["hypernetwork.32.k.0.weight"]
    assert 0.008 < float(first.detach().std()) < 0.012
    assert not any(bool(one.any()) for name, one in learn.items() if name.endswith("bias"))
    count = sum(one.numel() for one in learn.values())
    assert METHOD.sizes(trained.config, FAMILY, sizes) == (count, count)
    (state,) = FAMILY.encode(bases[0], ["mascot"])
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    given = {"text": state["text"][None]}
    FAMILY.denoise(bases[0].network, noisy, torch.tensor([500]), given).sum().backward()
    assert {n for n, w in bases[0].network.named_parameters() if w.grad is not None} == set(learn)
    assert not bases[0].text_learns()
    plain = FAMILY.load(trained.base, "cpu").network
    with torch.no_grad(), hypernetwork_layers.set_still(bases[0]):
        still = FAMILY.denoise(bases[0].network, noisy, torch.tensor([500]), given)
        assert torch.equal(still, FAMILY.denoise(plain, noisy, torch.tensor([500]), given))
    again = FAMILY.denoise(bases[0].network, noisy, torch.tensor([500]), given)
    assert not torch.equal(still, again)


def test_the_file_is_that_of_the_format(trained: Trained) -> None:
    """Its parts, keys and facts; read without torch; the same command finds it done."""
    facts = {word: one for word, one in trained.file.items() if isinstance(word, str)}
    with zipfile.ZipFile(trained.made) as file:
        assert all(ALLOWED.match(name) for name in file.namelist())
    assert [word for word in trained.file if isinstance(word, int)] == [32, 64]
    assert [
        (len(pair), {*pair[0]} == {*pair[1]}) for pair in (trained.file[32], trained.file[64])
    ] == [(2, True)] * 2
    told = facts.pop("prep_metadata")
    assert facts == {
        "step": 2, "name": "toy", "layer_structure": [1, 1.5, 2, 1], "activation_func": "swish",
        "is_layer_norm": True, "weight_initialization": "Normal", "use_dropout": False,
        "dropout_structure": [0, 0, 0, 0], "activate_output": False, "last_layer_dropout": False,
        "sd_checkpoint": None, "sd_checkpoint_name": "base", "optional_info": None,
    }  # fmt: skip
    assert told["modelspec.architecture"] == "stable-diffusion-v1/hypernetwork"
    console = new_console()
    explain(trained.made, console)
    first, *lines = said(console)[0].splitlines()
    assert first == (
        "toy.pt: a hypernetwork for widths 32, 64, layers 1, 1.5, 2, 1, activation swish, "
        "normalised"
    )
    assert lines[:2] == ["words that call it: mascot", "base model: base (stable-diffusion-v1)"]
    models = Models(trained.made.parents[2] / "home", offline=True)
    for precision, line in (("fp32", "already done"), ("fp16", "trained"), ("fp32", "trained")):
        console = new_console()
        start.start(
            [trained.meta], replace(trained.config, save_precision=precision), models, console
        )
        assert said(console)[0].startswith(f"{line}: {trained.made}")
        assert hypernetwork_file.precision_of(trained.made) == precision
    again = torch.load(trained.made, weights_only=True)
    assert all(
        torch.equal(one, again[32][part][name])
        for part in range(2)
        for name, one in trained.file[32][part].items()
    )


def test_it_is_drawn(trained: Trained, tmp_path: Path, models: Models) -> None:
    """At strengths, beside the base model; at 1 it is the picture of the training."""
    (drawn,) = (trained.made.parent / "samples").glob("toy-00-0.png")
    subject = subject_of([str(trained.made.parent)])
    usual = {"width": 64, "height": 64, "steps": 1}
    wish = Wish(asked(subject, [], None, usual), [0.5, 1.0], [], each=tmp_path / "each")

    assert sheet.sample(subject, wish, tmp_path / "sheet.png", models, new_console()).code == 0
    each = {path.stem: Image.open(path) for path in sorted((tmp_path / "each").iterdir())}
    assert [*each] == ["000 base model", "000 strength 0.5", "000 strength 1"]
    assert len({one.tobytes() for one in each.values()}) == 3
    assert each["000 strength 1"].tobytes() == Image.open(drawn).tobytes()
    said_lines = [one.info["parameters"].splitlines()[0] for one in each.values()]
    assert said_lines == ["mascot", "mascot <hypernet:toy:0.5>", "mascot <hypernet:toy:1>"]
    assert str(written(drawn)).startswith("mascot <hypernet:toy:1>\n")


def test_what_cannot_be_used_is_refused(trained: Trained, tmp_path: Path, base: Path) -> None:
    """Other pickles, which run nothing; unknown structures; other models; numbers that are none."""
    names = ("code", "other", "strange", "wide", "nan", "short")
    files = {name: tmp_path / f"{name}.pt" for name in names}
    whole = dict(trained.file)
    with zipfile.ZipFile(files["code"], "w") as file:
        file.writestr("x/data.pkl", pickle.dumps(print))
    torch.save({"string_to_param": {"*": torch.ones(1, 32)}}, files["other"])
    torch.save(whole | {"layer_structure": 7}, files["strange"])
    torch.save(
        {48: whole[32], **{k: v for k, v in whole.items() if isinstance(k, str)}}, files["short"]
    )
    wide = hypernetwork_layers.made(48, Structure())
    torch.save({48: hypernetwork_file.named(wide), "activate_output": False}, files["wide"])
    nan = [{n: one.clone() for n, one in each.items()} for each in whole[32]]
    nan[1]["linear.0.bias"][0] = float("nan")
    torch.save(whole | {32: nan}, files["nan"])
    opened = FAMILY.load(trained.base, "cpu")
    known = "those that are: linear, relu, leakyrelu, elu, swish, tanh, sigmoid"
    instead = (
        "name one that AUTOMATIC1111 or `train hypernetwork` made; of others the `.safetensors` "
        "version"
    )
    layers = (
        "a hypernetwork of layers that are no numbers and activation `swish`, which are not known"
    )
    numbers = "holds numbers that are not finite (NaN or infinite) in 1 of its tensors"
    base_hint = "name the base model that it was made for: `--base`"

    for act, told, hint in (
        (lambda: subject_of([str(files["code"])]),
         f"`{files['code']}` is not a plain file of weights",
         "fetch it again, or take a `.safetensors` of it"),
        (lambda: subject_of([str(files["other"])]), f"`{files['other']}` is not a hypernetwork",
         instead),
        (lambda: explain(files["strange"], new_console()), f"`{files['strange']}` is {layers}",
         known),
        (lambda: file_kinds.put_on([(files["short"], 1.0)], opened, FAMILY, {}),
         f"`{files['short']}` is a hypernetwork whose weights are not those of its structure",
         "fetch the file again"),
        (lambda: file_kinds.put_on([(files["wide"], 1.0)], opened, FAMILY, {}),
         f"`{files['wide']}` is a hypernetwork for another kind of model: nothing in it is 48 wide",
         base_hint),
        (lambda: hypernetwork_file.check_kind(trained.made, all_families()["sdxl"]),
         f"`{trained.made}` is a hypernetwork, and models of the kind `sdxl` take none", base_hint),
        (lambda: explain(files["nan"], new_console()),
         f"`{files['nan']}` {numbers}, the first is `32.v.linear.0.bias`",
         "take an earlier export of the run, or fetch the file again"),
    ):  # fmt: skip
        with pytest.raises(UserError) as error:
            act()
        assert (str(error.value), error.value.hint) == (told, hint)


@pytest.mark.parametrize("layers", ["1,2", "1,x,1", "2,1,1", "1,9,1", "1,0,1", ""])
def test_layers_that_are_none_are_refused(layers: str) -> None:
    """Two lines, before anything is opened."""
    with pytest.raises(ConfigError) as error:
        config_of("hypernetwork", layer_structure=layers)
    assert (str(error.value), error.value.hint) == (
        f"`--layer-structure` is `{layers}`",
        "give 3 to 10 numbers up to 8, 1 at either end: `1,2,1`",
    )


def test_an_export_that_reads_back_otherwise_has_no_name(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch's reader finds is compared with what was trained."""
    base = FAMILY.load(trained.base, "cpu")
    METHOD.attach(base, FAMILY, trained.config)
    real = hypernetwork_file.opened

    def torn(path: Path) -> Any:
        found = real(path)
        with torch.no_grad():
            next(found[64]["v"].parameters()).add_(1)
        return found

    monkeypatch.setattr(hypernetwork_file, "opened", torn)
    how = (trained.config.own.structure(), "Normal")
    with pytest.raises(ProofError, match="the export reads back as other numbers"):
        hypernetwork_export.write(tmp_path / "a.pt", base, how, "fp32", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a-not-proven.pt"]


@pytest.mark.parametrize(
    "word", ["xavier-uniform", "XavierNormal", "kaiming-uniform", "kaiming_normal"]
)
def test_first_weights_are_those_of_torch(trained: Trained, word: str) -> None:
    """By the format's words or ours: each has the deviation that its formula gives."""
    config = config_of("hypernetwork", activation="leakyrelu", weight_initialization=word)
    base = FAMILY.load(trained.base, "cpu")
    METHOD.attach(base, FAMILY, config)
    weight = base.learning()["hypernetwork.64.v.0.weight"].detach()  # (128, 64)

    gain = (2 / (1 + 0.01**2)) ** 0.5
    wanted = gain / 64**0.5 if "kaiming" in word else (2 / (64 + 128)) ** 0.5
    assert float(weight.std()) == pytest.approx(wanted, rel=0.05)
    assert (float(weight.abs().max()) < wanted * 3**0.5 + 1e-6) == ("uniform" in word.lower())
