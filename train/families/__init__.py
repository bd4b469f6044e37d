"""The model families: every module of this folder that has a `FAMILY`."""

import importlib
import pkgutil

from train.families.family import Family


def all_families() -> dict[str, Family]:
    """Return the families by name, sorted."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    records = [module.FAMILY for module in modules if hasattr(module, "FAMILY")]
    return {family.name: family for family in records}
