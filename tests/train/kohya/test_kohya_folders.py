"""Which folders of pictures an import takes, and which it tells."""

from pathlib import Path

import pytest

from prep.runtime.errors import ConfigError
from train.kohya.import_files import pipelines_of
from train.kohya.kohya_sources import KohyaRun


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        (["3_sks girl/a.png", "log/x.png"],
         "`log` in `pics`: kohya's scripts read folders `10_words` alone",
         "move it away, or rename the folder"),
        (["3_sks girl/a.png", "b.jpg"],
         "`b.jpg` in `pics`: kohya's scripts read folders `10_words` alone",
         "move pictures into a folder `10_words`, or away"),
        (["c.png", "a.png", "b.jpg", "a.txt", "3_x/a.caption"],
         "`a.png` and 2 more in `pics`: kohya's scripts read folders `10_words` alone",
         "move pictures into a folder `10_words`, or away"),
        (["log/x.png", "log/y.png", "old/x.png", "3_x/a.png"],
         "`log` and 1 more in `pics`: kohya's scripts read folders `10_words` alone",
         "move it away, or rename the folder"),
        (["3_sks girl/a.png", "3_sks girl/a.txt"],
         "`caption_extension` is not given, and `pics` has `.txt` files alone",
         "kohya's scripts would not read them: give `.txt`, or move them away"),
    ],
)  # fmt: skip
def test_pictures_that_kohya_would_not_train_so_are_told(
    home: Path, files: list[str], message: str, hint: str
) -> None:
    """Folders without a number, pictures beside them, and texts of another ending."""
    for name in files:
        (home / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "pics" / name).write_text("x")
    given = {
        "pretrained_model_name_or_path": "tiny", "network_module": "networks.lora",
        "train_data_dir": "pics",
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        pipelines_of(KohyaRun("train_network", given, None, home), home, [])

    assert (str(caught.value), caught.value.hint, caught.value.others) == (message, hint, ())


def test_folders_that_begin_with_a_dot_are_nobody_s_pictures(home: Path) -> None:
    """What prep keeps beside pictures is no folder of pictures, and none of a class."""
    for folder in ("pics", "class"):
        for name in ("3_x/a.png", ".prep/mask/a.png", ".prep/alpha_mask/a.txt"):
            (home / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (home / folder / name).write_text("x")
    given = {
        "pretrained_model_name_or_path": "tiny", "network_module": "networks.lora",
        "train_data_dir": "pics", "reg_data_dir": "class",
    }  # fmt: skip

    text = pipelines_of(KohyaRun("train_network", given, None, home), home, []).text

    assert '"concepts": {"x": {"regularisation": true}}' in text
