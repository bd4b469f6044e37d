"""The stages: one file each. A new file here is a new stage; nothing else has to be opened."""

import importlib
import pkgutil
from dataclasses import replace

from prep.sheets.columns import WORDS, columns_of, in_sheets
from prep.stage import Shape, Stage


def all_stages() -> dict[str, Stage]:
    """Return every stage by name, sorted: the modules of this folder.

    A sheet reads what it has columns for beside the words of every sheet, and what is proposed.
    """
    found: dict[str, Stage] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        stage = getattr(importlib.import_module(f"{__name__}.{module}"), module, None)
        if isinstance(stage, Stage):
            found[stage.name] = stage
    own = [name for name in in_sheets(columns_of(found.values())) if name not in WORDS]
    proposed = [one.writes for one in found.values() if one.proposes is not None]
    columns = tuple(f"{name}?" for name in (*own, *proposed))
    for stage in found.values():
        if stage.shape is Shape.VIEW and stage.link is None:
            found[stage.name] = replace(stage, reads=(*stage.reads, *columns))
    return found
