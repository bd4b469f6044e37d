"""What an export was made of, as far as another training needs it: read from its certificate."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.runtime.errors import ConfigError, ModelFileError
from train.adapters import adapter_file
from train.adapters.lora_metadata import (
    MADE_FROM,
    WEIGHTED,
    certificate,
    said,
    trained_tokens,
)
from train.adapters.run_exports import config_of_run
from train.config import CHUNK_TOKENS, Config
from train.export.average import AVERAGED
from train.methods import config_of, method_named, own_options
from train.option_fields import described

# Settings of a run folder that no certificate holds: with them a stopped training goes on as then.
_SAVES = ("save_every_epochs", "save_every_steps")


@dataclass(frozen=True)
class Born:
    """An export and what it says of itself.

    Attributes:
        place: Its file or folder.
        told: Its metadata.
        certificate: What is in it of its birth; see `train.export.metadata.certificate`.
        run: Settings of the run folder that it lies in; empty anywhere else.
    """

    place: Path
    told: Mapping[str, str]
    certificate: Mapping[str, Any]
    run: Mapping[str, Any]

    @property
    def step(self) -> int:
        """After how many steps it was made."""
        return int(self.certificate["config"]["steps"])

    @property
    def length(self) -> int:
        """Steps of its run: where these decide no learning rate, none is done behind its own."""
        return int(self.certificate.get("length") or self.step)

    def datasets(self) -> list[Path]:
        """Return the dataset files that its run folder names.

        Raises:
            ConfigError: It lies in none.
        """
        found = [Path(one) for one in self.run.get("datasets", ())]
        if not found:
            raise ConfigError(
                f"the dataset of `{self.place}` is not known: it is not in its run folder",
                "name it: `--data META`",
            )
        return found

    def base(self) -> str | None:
        """Return the base model that its run folder names; None where the dataset has to."""
        return self.run.get("base")


def born(place: Path) -> Born:
    """Return an export with its certificate.

    Raises:
        ModelFileError: It is missing or damaged, has no certificate, or was made of exports.
    """
    if not place.exists():
        raise adapter_file.absent(place)
    told = said(place)
    found = certificate(told)
    if {MADE_FROM, WEIGHTED} & told.keys():
        raise ModelFileError(
            f"`{place}` was made of exports, and was not trained",
            "name an export of the training: `train explain` tells of what it was made",
        )
    if found is None:
        raise ModelFileError(
            f"`{place}` has no certificate: another program made it", "name an export of `train`"
        )
    if AVERAGED in told:
        raise ModelFileError(
            f"`{place}` is an average of exports, and was not trained",
            "reproduce the exports that `train explain` names of it",
        )
    return Born(place, told, found, config_of_run(place.parent))


def settings_of(found: Born, **more: Any) -> Config:
    """Return the settings that an export was trained with.

    Args:
        more: Places, precision of the export, and what else no certificate holds.

    Raises:
        ConfigError: This program does not know them.
    """
    kept = dict(found.certificate["config"])
    method = method_named(kept.pop("method"))
    names = {item.name for item in described(Config)} | {*own_options(method)}
    if foreign := sorted(kept.keys() - names):
        raise ConfigError(
            f"`{found.place}` was trained with `{foreign[0]}`, which this version does not know",
            f"reproduce it with {found.certificate['program']}",
        )
    kept |= {"steps": found.length, "name": found.told.get("ss_output_name")}
    if tokens := trained_tokens(found.told):
        kept["max_tokens"] = max(CHUNK_TOKENS, tokens)
    if "device" in found.certificate:
        kept["device"] = found.certificate["device"]
    kept |= {word: found.run[word] for word in _SAVES if found.run.get(word)}
    if found.step < found.length:
        kept["save_every_steps"] = found.step
    if "save_as" in own_options(method) and found.place.is_file():
        kept["save_as"] = "file"
    return config_of(method.name, **kept | more)
