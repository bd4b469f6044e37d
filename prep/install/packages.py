"""Which packages there are, against constraints.txt. Needs the standard library only."""

import re
from collections.abc import Mapping, Sequence

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;]+)")


def pins(text: str) -> dict[str, tuple[str, ...]]:
    """Return package -> versions, as a constraints file or `pip freeze` pins them.

    Names are in their normal form (PEP 503). A constraints file may pin a package once for each
    kind of machine. Lines that pin nothing are passed over.
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        pin = _PIN.match(line.strip())
        if pin:
            name = normal(pin[1])
            found[name] = (*found.get(name, ()), pin[2])
    return found


def normal(name: str) -> str:
    """Return a package's name as PEP 503 compares it: `et_xmlfile` is `et-xmlfile`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def differences(
    lock: Mapping[str, Sequence[str]], installed: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return a phrase for each installed package that is not the version of the lock, by name.

    A build of the locked version (`2.13.0+cpu`) is that version. Packages that the lock does not
    name are not ours.
    """
    return [
        f"{name} {version} (locked: {' or '.join(lock[name])})"
        for name, versions in sorted(installed.items())
        for version in versions
        if name in lock and version.partition("+")[0] not in lock[name]
    ]
