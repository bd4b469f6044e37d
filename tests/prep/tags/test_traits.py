import pytest

from prep.dataset.concepts import concept_of
from prep.tags.common_traits import everywhere, is_trait, to_prune


@pytest.mark.parametrize(
    "tag",
    [
        "blue eyes", "long_hair", "animal ears", "hair between eyes", "hime cut", "tail",
        "dark skin", "mole", "Twintails", "one side up", "very long hair", "pointy ears",
    ],
)  # fmt: skip
def test_what_a_subject_looks_like_is_a_trait(tag: str) -> None:
    """Hair, eyes, skin, ears and the like are traits, whatever their colour or spelling."""
    assert is_trait(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "closed eyes", "hair ribbon", "wet hair", "hand in own hair", "1girl", "solo", "dress",
        "white background", "chair", "earrings", "fake animal ears", "looking at viewer", "",
        "covering own eyes", "hairband", "smile", "ponytail holder",
    ],
)  # fmt: skip
def test_what_it_does_or_wears_is_none(tag: str) -> None:
    """Clothes, poses, numbers and places stay in the texts; words are compared, not their ends."""
    assert not is_trait(tag)


def test_a_share_of_few_pictures_says_nothing() -> None:
    """From five pictures on, a tag of at least the share is everywhere; just that share counts."""
    eyes = [["blue eyes", "solo"]] * 4

    assert everywhere(eyes, 0.8) == frozenset()
    assert everywhere([*eyes, ["solo"]], 0.8) == {"blue eyes", "solo"}
    assert everywhere([*eyes, ["solo"]], 0.81) == {"solo"}
    assert everywhere([*eyes, [], []], 0.8) == frozenset()


def test_traits_are_pruned_by_concept() -> None:
    """Each concept has its own traits; other tags and those that are kept stay."""
    red, blue = ["red eyes", "solo", "long hair"], ["blue eyes", "solo"]
    samples = {f"r{n}": ("red", red) for n in range(5)} | {
        f"b{n}": ("blue", blue) for n in range(6)
    }
    samples["r5"] = ("red", ["blue eyes", "red eyes"])

    found = to_prune(samples, 0.8, ("long hair",))

    assert found["r0"] == found["r5"] == ["red eyes"]
    assert found["b0"] == ["blue eyes"]
    assert to_prune(samples, 0.8)["r0"] == ["long hair", "red eyes"]


def test_a_folder_names_the_concept() -> None:
    """The first sub-folder is the concept; a number before it is the repeats."""
    assert concept_of("10_toy/a/b.png")[:2] == (10, "toy")
    assert concept_of("toy/a.png")[:2] == (0, "toy")
    assert concept_of("a.png")[:2] == (0, "")
    assert concept_of("10_/a.png")[:2] == (0, "10_")
