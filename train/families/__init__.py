"""The model families: every module of this folder that has a `FAMILY`."""

import importlib
import pkgutil

from train.family import Family


def all_families() -> dict[str, Family]:
    """Return the families by name, sorted."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    records = [importlib.import_module(f"{__name__}.{name}").FAMILY for name in found]
    return {family.name: family for family in records}
