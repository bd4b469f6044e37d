"""The taggers we know, by name: which row a name means, and what has to be found for it.

Adding a tagger is adding a row to a `rows_*` module. What the model file itself says (picture
size, batch size, names of tensors) is read from there.
"""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from prep.models.locate import Ask
from prep.runtime.errors import no_such
from tagger_models.profiles import other_taggers, wd
from tagger_models.profiles.profile import UNPINNED, Profile
from tagger_models.profiles.tagger_yaml import PROFILE_FILE, local_profile
from tagger_models.profiles.wd import WD

DEFAULT = "wd-vit-tagger-v3"
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {row.name: row for row in (*wd.ROWS, *other_taggers.ROWS)}
)
# Hub ids of whole families: (pattern, row).
_FAMILIES = (
    ("SmilingWolf/*", WD),
    ("animetimm/*", other_taggers.ANIMETIMM),
)


def profile(name: str) -> Profile:
    """Return how the tagger called `name` is fed and read.

    Args:
        name: A row's name, a hub id, a folder, an `.onnx` file or `tiny`. A folder's own
            `tagger.yaml` says how it is; what else has no row is taken for a WD tagger.

    Raises:
        ConfigError: A bare word that is neither a row nor a path on this machine, or a mistake
            in `tagger.yaml`.
        ModelFileError: `tagger.yaml` cannot be read.
    """
    by_repo = [row for row in PROFILES.values() if row.repo == name]
    found = PROFILES.get(name) or (by_repo[0] if by_repo else None)
    if found:
        return found
    path = Path(name).expanduser()
    folder = path.parent if path.suffix == ".onnx" else path
    if (folder / PROFILE_FILE).exists():
        return replace(local_profile(folder / PROFILE_FILE, PROFILES, WD), name=name)
    for pattern, row in _FAMILIES:
        if fnmatchcase(name, pattern) and not path.exists():
            return replace(row, name=name, repo=name)
    if name == "tiny" or "/" in name or "\\" in name or path.exists():
        return replace(WD, name=name)
    raise no_such("tagger", name, [*PROFILES, "tiny"])


def ask(name: str) -> Ask:
    """Return what `prep.models.locate` has to find for the tagger called `name`.

    An `.onnx` file is looked for with the label file beside it.

    Raises:
        ConfigError, ModelFileError: As for `profile`.
    """
    row = profile(name)
    model, labels = row.files
    where = row.repo or name
    if where.endswith(".onnx"):
        model, where = Path(where).name, str(Path(where).parent)
    needs = (model, labels, *([row.input_file] if row.input_file else []))
    return Ask(
        kind="tagger",
        name=where,
        patterns=(*needs, f"{model}_data", f"{model}.data"),
        revision=None if row.revision == UNPINNED else row.revision,
        needs=needs,
        facts=row.input_facts(),
        beside=_beside(row),
    )


def _beside(row: Profile) -> str:
    """Return what makes a folder that holds a row's files a tagger of this row."""
    alike = [
        name for name, one in PROFILES.items() if replace(one, name=row.name, repo=row.repo) == row
    ]
    if not alike:
        return ""
    like = row.name if row.name in alike else alike[0]
    return f"a `{PROFILE_FILE}` that says `like: {like}`"


def ask_labels(name: str) -> Ask:
    """Return what to find where only the labels of a tagger are needed: no weights are read."""
    row, whole = profile(name), ask(name)
    needs = (row.files[1], *([row.threshold_file] if row.threshold_file else []))
    return replace(whole, patterns=needs, needs=needs[:1], facts=row.reading_facts())
