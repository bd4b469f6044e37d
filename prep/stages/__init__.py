"""The stages: one file each. A new file here is a new stage; nothing else has to be opened."""

import importlib
import pkgutil

from prep.stage import Stage


def all_stages() -> dict[str, Stage]:
    """Return every stage by name, sorted: the modules of this folder."""
    found: dict[str, Stage] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        stage = getattr(importlib.import_module(f"{__name__}.{module}"), module, None)
        if isinstance(stage, Stage):
            found[stage.name] = stage
    return found
