import pytest

from prep.runtime.errors import ConfigError
from prep.tagging.thresholds import Thresholds, chosen
from tagger_models.labels.label import Label

LABELS = (
    Label("general", "rating"),
    Label("smile", "general", threshold=0.41),
    Label("long_hair", "general", threshold=0.001),
    Label("=_=", "general"),
    Label("miku", "character", threshold=0.62),
    Label("vocaloid", "copyright"),
)
OWN = {"general": 0.26, "character": 0.85}
NOTHING = {"general": 0.0, "character": 0.0}


def test_the_tagger_s_own_hold_unless_others_are_asked_for() -> None:
    """Without a wish, a label file's thresholds come before the category's; none is under 0.01."""
    assert chosen(LABELS, OWN, NOTHING) == Thresholds(
        OWN, {"smile": 0.41, "long_hair": 0.01, "miku": 0.62}
    )


def test_a_category_that_is_asked_for_is_for_all_its_tags() -> None:
    """A person's threshold of a category replaces the label file's for its tags, and only there."""
    found = chosen(LABELS, OWN, {"general": 0.5, "character": 0.0})

    assert found == Thresholds({"general": 0.5, "character": 0.85}, {"miku": 0.62})


def test_tags_and_categories_are_named_together() -> None:
    """A tag is named with spaces or underscores; what is a category's name means the category."""
    found = chosen(LABELS, OWN, NOTHING, "=_==0.3, long hair=0.6, copyright = 0.4, general=.5")

    assert found.of_categories == {"general": 0.5, "character": 0.85, "copyright": 0.4}
    assert found.of_labels == {"=_=": 0.3, "long_hair": 0.6, "miku": 0.62}
    assert chosen(LABELS, OWN, NOTHING, "long_hair=0.6").of_labels["long_hair"] == 0.6


def test_all_mistakes_are_told_at_once() -> None:
    """Each wrong piece has its own two lines, and nothing is guessed."""
    with pytest.raises(ConfigError) as told:
        chosen(LABELS, OWN, {"general": 0.001}, "smle=0.4, smile, smile=2, miku=nan, solo=0.002")

    write, least = "write `smile=0.6, solo=0.4`", "use 0.01 or more"
    assert [(str(told.value), told.value.hint), *told.value.others] == [
        ("a threshold of 0.001 is under 0.01, the least score that is kept", least),
        ("the tagger knows no tag or category `smle`", "did you mean `smile`?"),
        ("`smile` is not a threshold", write),
        ("`smile=2` is not a threshold", write),
        ("`miku=nan` is not a threshold", write),
        ("a threshold of 0.002 is under 0.01, the least score that is kept", least),
    ]


def test_a_rating_has_no_threshold() -> None:
    """The rating `general` is not the category, and another rating is no tag to be named."""
    labels = (*LABELS, Label("sensitive", "rating"))

    assert chosen(labels, OWN, NOTHING, "general=0.5").of_categories["general"] == 0.5
    with pytest.raises(ConfigError, match="knows no tag or category `sensitive`"):
        chosen(labels, OWN, NOTHING, "sensitive=0.5")


def test_a_tag_in_other_capitals_is_the_nearest() -> None:
    """A name that differs in capitals alone, in however many, is hinted at."""
    with pytest.raises(ConfigError) as raised:
        chosen(LABELS, OWN, NOTHING, "SMILE=0.5")

    assert raised.value.hint == "did you mean `smile`?"
