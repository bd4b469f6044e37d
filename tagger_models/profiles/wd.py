"""The taggers of SmilingWolf since v2, and those that are fed as they are."""

from dataclasses import replace

from tagger_models.profiles.profile import SPACE_FIT, UNPINNED, Profile, thresholds

# The shape that all taggers of SmilingWolf share since v2; also what an unknown model is taken for.
# 0.85 is what the author's own demo keeps characters at; cards give no figure per category.
WD = Profile(
    name="",
    repo="",
    revision=UNPINNED,
    files=("model.onnx", "selected_tags.csv"),
    layout="NHWC",
    order="BGR",
    low=0.0,
    high=255.0,
    fit=SPACE_FIT,
    size=448,
    activation="none",
    label_format="wd-csv",
    thresholds=thresholds(general=0.35, character=0.85),
    sources=(
        "input, labels, 0.35 and 0.85: `app.py` of the hub space SmilingWolf/wd-tagger",
        "files, 448 px, sigmoid inside the graph: the model cards of SmilingWolf's repositories",
    ),
)


def _wd(name: str, general: float, source: str) -> Profile:
    return replace(
        WD,
        name=name,
        repo=f"SmilingWolf/{name}",
        thresholds=thresholds(general=general, character=0.85),
        sources=(*WD.sources, f"general {general}: {source}"),
    )


def _z3d(name: str, owner: str) -> Profile:
    """Return a tagger of e621's words; its file begins with a tag, not with ratings."""
    return replace(
        WD,
        name=name,
        repo=f"{owner}/Z3D-E621-Convnext",
        files=("model.onnx", "tags-selected.csv"),
        label_format="e621-csv",
        thresholds=thresholds(general=0.5, species=0.5, character=0.5, copyright=0.5),
        sources=(
            "files and owners: `tagger/interrogators.py` of corkborg/wd14-tagger-standalone",
            (
                "input, columns `name` and `category`, 0.5 for every tag: a public demo of the "
                "model (its `prepare_image` and `predict`); nothing by its author was read"
            ),
            "category codes: e621.net, wiki page 11262",
        ),
    )


_CARD = "point where precision equals recall, model card"
ROWS = (
    _wd("wd-vit-tagger-v3", 0.2614, _CARD),
    _wd("wd-swinv2-tagger-v3", 0.2653, f"{_CARD} of the v2.0 weights"),
    _wd(
        "wd-convnext-tagger-v3",
        0.2682,
        "`interrogator_names.py` of toshiaki1729/stable-diffusion-webui-dataset-tag-editor "
        "@d6c7dcef",
    ),
    _wd(
        "wd-vit-large-tagger-v3",
        0.26,
        "`models.py` of starik222/BooruDatasetTagManager @953e1856; the card was not read",
    ),
    _wd("wd-eva02-large-tagger-v3", 0.5296, f"{_CARD}, revision b25b82a0"),
    _wd("wd-v1-4-vit-tagger-v2", 0.3537, _CARD),
    _wd("wd-v1-4-convnext-tagger-v2", 0.3685, _CARD),
    _wd("wd-v1-4-convnextv2-tagger-v2", 0.3710, _CARD),
    _wd("wd-v1-4-swinv2-tagger-v2", 0.3771, _CARD),
    _wd("wd-v1-4-moat-tagger-v2", 0.3771, _CARD),
    _z3d("z3d-e621-convnext", "toynya"),
    _z3d("z3d-e621-convnext-silveroxides", "silveroxides"),
)
