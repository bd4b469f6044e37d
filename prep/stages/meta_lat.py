"""The dataset file with latents for every sample: what `train` is given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from prep.dataset.sample_fields import PERSONS
from prep.models.locate import FoundModel
from prep.models.vae_ask import ask_vae
from prep.stage import IN_DATASET, Page, Rows, Shape, param, stage

if TYPE_CHECKING:
    from prep.dataset.dataset_file import Sample


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "base model or VAE: hub id, folder or `tiny`",
        path=True,
    )
    alpha_mask: bool = param(
        False, "of a picture without a mask, what is transparent does not train"
    )


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return the numbers of the VAE that a dataset records."""
    from prep.models.vae_files import numbers

    return numbers(found[0].path, params.model)


_READS = (
    "digest", "latents", "mask?", *(f"{IN_DATASET}{name}?" for name in PERSONS), "alpha_mask?",
)  # fmt: skip


@stage(
    version=2,
    reads=_READS,
    inputs_for=lambda values: _READS if values.get("alpha_mask") else _READS[:-1],
    writes="meta_lat",
    params=Params,
    shape=Shape.VIEW,
    commands=("latents",),
    link="_lat",
    models=lambda params: (ask_vae(params.model),),
    load=load,
)
def meta_lat(rows: Rows, params: Params, vae: Any) -> Page:
    """Publish meta_lat.json.

    A picture whose mask cannot be used is left out: it would train whole.
    """
    from prep.dataset.chain import continued, page

    masks = ("mask", "alpha_mask") if params.alpha_mask else ("mask",)
    out = dict(rows.left_out)
    for name in masks:
        out |= rows.failed.get(name, {})
    made = continued(rows.facts, rows.rows, out, partial(_with_latents, masks))
    return page(replace(made, vae=vae, base=params.model), rows.facts["file"])


def _with_latents(masks: Sequence[str], sample: "Sample", row: Any) -> "Sample":
    mask = next((row[name] for name in masks if row[name]), None)
    return replace(sample, latents=row["latents"], mask=mask)
