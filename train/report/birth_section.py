"""The certificate of a run's newest export: what it was made of, every picture by its digest."""

from prep.pages.markup import Markup, element
from prep.pages.page_table import table
from train.adapters.lora_metadata import certificate
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles

_SHOWN = 500
_WORDS = (
    ("ss_sd_model_name", "base model"),
    ("modelspec.architecture", "architecture"),
    ("modelspec.trigger_phrase", "words that call it"),
    ("ss_steps", "steps"),
    ("ss_network_dim", "rank"),
    ("ss_network_alpha", "alpha"),
    ("sshs_model_hash", "SHA-256 of the tensors"),
)


def birth(run: RunFiles, pictures: ReportPictures) -> Markup | None:
    """Return what the newest export says of itself; None where there is none."""
    born = certificate(run.said)
    if born is None:
        return None
    rows = [(told, run.said[word]) for word, told in _WORDS if word in run.said]
    rows += [
        ("base model's digest", str(born.get("base_digest", ""))),
        ("made by", str(born.get("program", ""))),
        ("recipe", str(born.get("recipe", ""))),
        ("kept for validation", str(born.get("held_out", ""))),
    ]
    samples = born["samples"]
    each = [
        (key, f"seen {row['seen']}", str(row["sha256"])[:16], _text(row.get("text", "")))
        for key, row in [*samples.items()][:_SHOWN]
    ]
    told = f"All {len(samples)} pictures"
    if len(samples) > _SHOWN:
        told = f"The first {_SHOWN} of {len(samples)} pictures"
    details = element("details", element("summary", told), table((), each))
    return element("div", table((), rows), details)


def _text(text: object) -> str:
    return " | ".join(map(str, text)) if isinstance(text, list) else str(text)
