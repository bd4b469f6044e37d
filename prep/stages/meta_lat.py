"""The dataset file with latents for every sample: what `train` is given."""

from dataclasses import dataclass, replace
from typing import Any

from prep.dataset.chain import continued, page
from prep.dataset.dataset_file import PERSONS, Sample
from prep.models.vae_files import ask_vae, numbers
from prep.stage import IN_DATASET, Page, Rows, Shape, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "base model or VAE: hub id, folder or `tiny`",
        path=True,
    )


@stage(
    version=2,
    reads=("digest", "latents", *(f"{IN_DATASET}{name}?" for name in PERSONS)),
    writes="meta_lat",
    params=Params,
    shape=Shape.VIEW,
    commands=("latents",),
    link="_lat",
    models=lambda params: (ask_vae(params.model),),
    load=lambda params, found: numbers(found[0].path, params.model),
)
def meta_lat(rows: Rows, params: Params, vae: Any) -> Page:
    """Publish meta_lat.json."""
    made = continued(rows.facts, rows.rows, rows.left_out, _with_latents)
    return page(replace(made, vae=vae, base=params.model), rows.facts["file"])


def _with_latents(sample: Sample, row: Any) -> Sample:
    return replace(sample, latents=row["latents"])
