from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset.dataset_file import Concept
from train.data import dataset
from train.methods import config_of
from train.run.idle_notes import idle_notes

_STAYS = "no text has a tag that may be left out"


def _told(meta: Path, **given: Any) -> list[str]:
    config = config_of(**{"steps": 6} | given)
    return list(idle_notes(config, dataset.load([meta]), 3))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        ({"keep_tags": 0}, []),
        ({"keep_tags": 3}, ["`--keep-tags 3` has no effect: no tag is moved or left out"]),
        ({"keep_tags": 0, "shuffle_tags": True}, []),
        ({"shuffle_tags": True},
         ["`--shuffle-tags` has no effect: no text has two tags that may move"]),
        ({"tag_dropout": 0.1}, []),
        ({"tag_dropout": 0.1, "keep_tags": 2}, [f"`--tag-dropout 0.1` has no effect: {_STAYS}"]),
        ({"tag_warmup_least": 3}, [("`--tag-warmup-least 3` has no effect: there is no "
                                   "`--tag-warmup`")]),
        ({"tag_warmup_least": 3, "tag_warmup": 2}, []),
        ({"cycles": 2}, ["`--cycles 2` has no effect: the schedule is constant"]),
        ({"cycles": 2, "schedule": "cosine-with-restarts"}, []),
        ({"cycles": 2, "schedule": "cosine-with-min-lr"}, []),
        ({"text_variants": 2}, ["`--text-variants 2` has no effect: nothing of a text is drawn"]),
        ({"text_variants": 2, "caption_dropout": 0.1}, []),
        ({"prior_loss_weight": 0.5}, [("`--prior-loss-weight 0.5` has no effect: there are no "
                                      "regularisation pictures")]),
        ({"balance_regularisation": True}, [("`--balance-regularisation` has no effect: there are "
                                             "no regularisation pictures")]),
        ({"caption_dropout_every_epochs": 2}, []),
        ({"prior_prediction": 1.0, "blank_prompt_preservation": 1.0}, []),
        ({"caption_dropout_every_epochs": 3},
         ["`--caption-dropout-every-epochs 3` has no effect: the run has 2 epochs"]),
    ],
)  # fmt: skip
def test_an_option_that_changes_nothing_is_told(
    meta: Path, given: dict[str, Any], told: list[str]
) -> None:
    """For texts of a trigger and one tag, two epochs: what is given and does nothing, and why."""
    assert _told(meta, **given) == told


def test_captions_have_no_tags_to_move(meta: Path, changed: Callable[..., Path]) -> None:
    """Options of tags, given for captions alone, are told; class pictures have their weight."""
    for number in range(6):
        changed(meta, f"{number}.png", text="caption", caption="a toy, red, on a table")
    concept = Concept(class_prompt="a toy", regularisation=True)
    found = changed(meta, concepts={"toy": concept})

    assert _told(
        found,
        shuffle_tags=True,
        tag_dropout=0.5,
        tag_warmup=2,
        keep_tags=0,
        prior_loss_weight=0.5,
        prior_prediction=1.0,
        balance_regularisation=True,
    ) == [
        "`--shuffle-tags` has no effect: no text has two tags that may move",
        f"`--tag-dropout 0.5` has no effect: {_STAYS}",
        f"`--tag-warmup 2` has no effect: {_STAYS}",
        "`--balance-regularisation` has no effect: there are regularisation pictures alone",
        "`--prior-prediction 1.0` has no effect: no text names a trigger",
    ]
