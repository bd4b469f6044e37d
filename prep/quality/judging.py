"""The pictures of a set -> what is found of each."""

from collections.abc import Mapping
from typing import Any

from prep.quality.checks import KINDS, Check, CheckedPicture, Told, findings
from prep.quality.lying import lying
from prep.quality.measures import known
from prep.quality.transparency import Transparency
from prep.runtime.errors import ConfigError, nearest


def judged(
    samples: Mapping[str, tuple[Any, ...]], strictness: str, resolution: int, skip: str
) -> dict[str, list[tuple[Check, Told]]]:
    """Return key -> what is wrong with each picture.

    Args:
        samples: Key -> what was measured of the picture and of its alpha, as JSON keeps it.
        strictness: One of `prep.quality.checks.STRICTNESS`.
        resolution: px, see `CheckedPicture`.
        skip: Kinds that are not looked for, with commas.

    Raises:
        ConfigError: No such kind.
    """
    left_out = frozenset(word.strip() for word in skip.split(",") if word.strip())
    for kind in sorted(left_out - set(KINDS)):
        raise ConfigError(f"no check is named `{kind}`", nearest(kind, KINDS))
    measured = {key: (known(row), alpha) for key, (row, alpha) in sorted(samples.items())}
    turned = lying({key: seen.layout for key, (seen, _) in measured.items()})
    pictures = {
        key: CheckedPicture(
            seen, Transparency(**alpha) if alpha else None, turned.get(key, ""), resolution
        )
        for key, (seen, alpha) in measured.items()
    }
    return findings(pictures, strictness, left_out)
