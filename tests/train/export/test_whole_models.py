"""Fine-tunes of every family as folder and single file, in every precision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.narrow import LAYOUT
from train.export.model_files import FORMS, Model
from train.export.rounding import precision_of
from train.families import all_families
from train.families.family import Base


def _opened(made: Path, base: Path, **given: Any) -> Any:
    """Return the pipeline that diffusers makes of an export.

    Its weights are copied: where they lie in a mapped file would decide the last bits.
    """
    import diffusers

    index = diffusers.DiffusionPipeline.load_config(str(base))
    kind: Any = getattr(diffusers, index["_class_name"])
    given |= {"local_files_only": True, "dtype": torch.float32}
    if made.is_dir():
        found = kind.from_pretrained(str(made), **given)
    else:
        found = kind.from_single_file(str(made), config=str(base), **given)
    found.set_progress_bar_config(disable=True)
    networks = [one for one in found.components.values() if isinstance(one, torch.nn.Module)]
    for weight in (weight for network in networks for weight in network.parameters()):
        weight.data = weight.data.clone()
    return found


def _drawn(pipeline: Any) -> torch.Tensor:
    pictures: torch.Tensor = pipeline(
        "mascot", height=64, width=64, num_inference_steps=2, output_type="pt",
        generator=torch.Generator("cpu").manual_seed(0),
    ).images  # fmt: skip
    return pictures


def _parts(base: Base) -> dict[str, Any]:
    return {"unet": base.network, **base.encoders}


def _moved(base: Base) -> Base:
    """Change all weights of a model a little, as a training does."""
    generator = torch.Generator().manual_seed(1)
    for module in _parts(base).values():
        for weight in module.parameters():
            weight += 0.01 * torch.randn(weight.shape, generator=generator)
    return base


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'
@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("name", list(LAYOUT))
def test_diffusers_draws_with_an_export_what_was_trained(
    tmp_path: Path, narrow_base: Callable[[str], Path], name: str, form: str
) -> None:
    """No part is missing or made up; pictures and, rounded, weights are the trained model's."""
    source, family = narrow_base(name), all_families()[name]
    base = _moved(family.load(source, "cpu"))
    made = tmp_path / ("made" if form == "folder" else "made.safetensors")
    FORMS[form](made, Model(base, source, family.layout), {})
    pipeline = _opened(made, source)
    for part, tokenizer in base.tokenizers.items():
        assert getattr(pipeline, part).get_vocab() == tokenizer.get_vocab()
        assert getattr(pipeline, part).pad_token == tokenizer.pad_token
    found = _drawn(pipeline)
    wanted = _opened(source, source, **_parts(base), **base.tokenizers)
    for part in (*_parts(base), "vae"):
        weights = getattr(pipeline, part).state_dict()
        for word, weight in getattr(wanted, part).state_dict().items():
            assert torch.equal(weights[word], weight)
    # Where weights lie in memory decides the last bits of products on some processors.
    torch.testing.assert_close(found, _drawn(wanted), rtol=0, atol=1e-4)

    for precision, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        half = made.with_name(f"{precision}{made.suffix}")
        FORMS[form](half, Model(base, source, family.layout, precision), {})
        assert precision_of(half, "unet") == precision
        rounded = _opened(half, source, **base.tokenizers)
        for part, module in _parts(base).items():
            weights = getattr(rounded, part).state_dict()
            assert weights.keys() == module.state_dict().keys()
            for word, weight in module.state_dict().items():
                assert torch.equal(weights[word], weight.to(dtype).float())
        coder = wanted.vae.state_dict()
        for word, weight in rounded.vae.state_dict().items():
            assert torch.equal(weight, coder[word].half().float())
