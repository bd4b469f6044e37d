"""The taggers that take channels first, or scale their pixels, or bring label files of their own.

A fact for which no public source was found is marked in its row.
"""

from dataclasses import replace

from prep.images.fitting import PAD, SQUARE, WITHIN, Resize
from tagger_models.profiles.profile import (
    BLACK,
    CLIP_MEAN,
    CLIP_STD,
    HALF,
    IMAGENET_MEAN,
    IMAGENET_STD,
    SPACE_FIT,
    UNPINNED,
    WHITE,
    Profile,
    thresholds,
)

# Channels first, 0 to 1: how PyTorch exports take their pictures.
_TORCH = Profile(
    name="",
    repo="",
    revision=UNPINNED,
    files=("model.onnx", "selected_tags.csv"),
    layout="NCHW",
    order="RGB",
    low=0.0,
    high=1.0,
    fit=SPACE_FIT,
    size=448,
    activation="sigmoid",
    label_format="csv",
    thresholds=thresholds(general=0.35),
    sources=(),
)

PIXAI = replace(
    _TORCH,
    name="pixai-tagger-v0.9",
    repo="deepghs/pixai-tagger-v0.9-onnx",
    fit=(Resize(SQUARE, "BICUBIC"),),
    mean=HALF,
    std=HALF,
    output="prediction",
    activation="none",
    thresholds=thresholds(general=0.30, character=0.75),
    input_file="preprocess.json",
    threshold_file="thresholds.csv",
    sources=(
        (
            "files, output, RGB, steps from preprocess.json, series from `ips`: `imgutils/tagging/"
            "pixai.py` of deepghs/imgutils @5f846655"
        ),
        "general 0.30, character 0.75: the card of pixai-labs/pixai-tagger-v0.9",
        (
            "fit, mean and std stand for what preprocess.json says: `PixAiOnnxTaggerService` of "
            "starik222/BooruDatasetTagManager; the filter is without a source"
        ),
    ),
)

ANIMETIMM = replace(
    _TORCH,
    name="animetimm-caformer-b36",
    repo="animetimm/caformer_b36.dbv4-full",
    fit=(
        Resize(WITHIN, "BILINEAR", size=512),
        Resize(PAD, colour=WHITE),
        Resize(SQUARE, "BICUBIC"),
    ),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    output="prediction",
    activation="none",
    thresholds=thresholds(general=0.39, character=0.47),
    input_file="preprocess.json",
    threshold_file="thresholds.csv",
    sources=(
        (
            "files, output, RGB, the steps `test` of preprocess.json, `best_threshold` per tag: "
            "`imgutils/generic/multilabel_timm.py` of deepghs/imgutils @19c0210f"
        ),
        "general 0.39, character 0.47: the card of animetimm/caformer_b36.dbv4-full",
        (
            "fit, mean and std stand for what preprocess.json says: a wrapper for the same models "
            "that quotes the file"
        ),
    ),
)

_CAMIE = replace(
    _TORCH,
    name="camie-tagger",
    repo="Camais03/camie-tagger",
    files=("model_initial.onnx", "model_initial_metadata.json"),
    fit=(Resize(WITHIN, "LANCZOS"), Resize(PAD, colour=BLACK)),
    size=512,
    output=-1,
    label_format="mapping-json",
    thresholds=thresholds(general=0.3, character=0.3, copyright=0.3),
    sources=(
        (
            "files, input, the last output refined, sigmoid, `idx_to_tag` and `tag_to_category`: "
            "`tagger/interrogator/camietaggerinterrogator.py` and its list of models, "
            "corkborg/wd14-tagger-standalone @5823f3a1, after the author's onnx_inference.py"
        ),
        "0.3: between the 0.26 and 0.33 of the card of deepghs/camie_tagger_onnx",
    ),
)


def _camie_export(kind: str) -> Profile:
    return replace(
        _CAMIE,
        name=f"camie-tagger-{kind}",
        repo="deepghs/camie_tagger_onnx",
        files=(f"{kind}/model.onnx", f"{kind}/selected_tags.csv"),
        output="output",
        activation="none",
        label_format="csv",
        input_file=f"{kind}/preprocess.json",
        threshold_file=f"{kind}/threshold.json",
        sources=(
            (
                "files, output, category codes, steps from preprocess.json, `balanced` of "
                "threshold.json: `imgutils/tagging/camie.py` of deepghs/imgutils @01918ff7"
            ),
            "fit stands for what preprocess.json says and is the author's own recipe",
            "0.3 stands for what threshold.json says: the card of the same repository",
        ),
    )


def _cl(version: str) -> Profile:
    folder = f"cl_tagger_{version.replace('.', '_')}"
    return replace(
        _TORCH,
        name=f"cl-tagger-{version}",
        repo="cella110n/cl_tagger",
        files=(f"{folder}/model.onnx", f"{folder}/tag_mapping.json"),
        order="BGR",
        mean=HALF,
        std=HALF,
        label_format="mapping-json",
        thresholds=thresholds(general=0.35, character=0.35, copyright=0.35),
        sources=(
            (
                "input, first output, sigmoid, both shapes of tag_mapping.json: "
                "`mikazuki/tagger/interrogators/cl.py` of Akegarasu/lora-scripts @3c7802fc"
            ),
            "folders 1_00 and 1_01: the model card; 1_02: programs that download it",
            "0.35: the default of sd-scripts for every model; no figure of the author was read",
        ),
    )


JOYTAG = replace(
    _TORCH,
    name="joytag",
    repo="fancyfeast/joytag",
    files=("model.onnx", "top_tags.txt"),
    mean=CLIP_MEAN,
    std=CLIP_STD,
    label_format="lines",
    thresholds=thresholds(general=0.4),
    sources=(
        "input, labels, sigmoid, 0.4: README.md of fpgaminer/joytag @ce0c4a45",
        "that model.onnx answers with logits, too: `JoyPredictor` of tagmane",
    ),
)


def _ml(name: str, file: str) -> Profile:
    return replace(
        _TORCH,
        name=name,
        repo="deepghs/ml-danbooru-onnx",
        files=(file, "classes.json"),
        fit=(Resize(SQUARE, "BILINEAR"),),
        label_format="index-json",
        thresholds=thresholds(general=0.7),
        sources=(
            "input (squashed), sigmoid, 0.7: `imgutils/tagging/mldanbooru.py` of deepghs/imgutils",
            "files: `tagger/interrogators.py` of corkborg/wd14-tagger-standalone",
        ),
    )


DEEPDANBOORU = replace(
    _TORCH,
    name="deepdanbooru",
    repo="deepghs/imgutils-models",
    files=("deepdanbooru/deepdanbooru.onnx", "deepdanbooru/deepdanbooru_tags.csv"),
    layout="NHWC",
    fit=(Resize(WITHIN, "BOX"), Resize(PAD, colour=None)),
    size=512,
    activation="none",
    thresholds=thresholds(general=0.5, character=0.5),
    sources=(
        (
            "files, 512 px, /255, probabilities, 0.5: `imgutils/tagging/deepdanbooru.py` of "
            "deepghs/imgutils"
        ),
        (
            "area filter and repeated edges: `deepdanbooru/data/__init__.py` @50bda534 and `image/"
            "__init__.py` @c9bbfb0a of KichangKim/DeepDanbooru; imgutils pads with black, and its "
            "pictures are then tagged `letterboxed`"
        ),
    ),
)

ROWS = (
    PIXAI,
    ANIMETIMM,
    _CAMIE,
    _camie_export("initial"),
    _camie_export("refined"),
    _cl("1.00"),
    _cl("1.01"),
    _cl("1.02"),
    JOYTAG,
    _ml("ml-danbooru-caformer", "ml_caformer_m36_dec-5-97527.onnx"),
    _ml("ml-danbooru-tresnet", "TResnet-D-FLq_ema_6-30000.onnx"),
    DEEPDANBOORU,
)
