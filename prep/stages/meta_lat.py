"""The dataset file with latents for every sample: what `train` is given."""

from dataclasses import dataclass, replace
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


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return the numbers of the VAE that a dataset records."""
    from prep.models.vae_files import numbers

    return numbers(found[0].path, params.model)


@stage(
    version=2,
    reads=("digest", "latents", *(f"{IN_DATASET}{name}?" for name in PERSONS)),
    writes="meta_lat",
    params=Params,
    shape=Shape.VIEW,
    commands=("latents",),
    link="_lat",
    models=lambda params: (ask_vae(params.model),),
    load=load,
)
def meta_lat(rows: Rows, params: Params, vae: Any) -> Page:
    """Publish meta_lat.json."""
    from prep.dataset.chain import continued, page

    made = continued(rows.facts, rows.rows, rows.left_out, _with_latents)
    return page(replace(made, vae=vae, base=params.model), rows.facts["file"])


def _with_latents(sample: "Sample", row: Any) -> "Sample":
    return replace(sample, latents=row["latents"])
