"""Tests of what is said of a scene: exactly true, and nothing else."""

import random
from dataclasses import replace

from tinyworld import words
from tinyworld.words import GENERAL, attribute_tags, attribute_values, caption, general_tags
from tinyworld.world import CHARACTERS, MASCOT, Scene, random_scene

SCENE = Scene(MASCOT, "beach", "waving", "full_body", (128, 128))


def test_a_caption_names_all_five_attributes() -> None:
    """A sentence names body, fur, hat, accessory, pose and place, in plain English."""
    assert caption(SCENE) == (
        "a round mascot with coral fur, a sprout and a scarf, waving on a beach"
    )
    look = replace(MASCOT, hat="party_hat", accessory="sunglasses")
    assert caption(Scene(look, "night", "jumping", "face", (64, 64))) == (
        "a round mascot with coral fur, a party hat and sunglasses, jumping at night"
    )


def test_tags_are_exactly_true() -> None:
    """Each attribute has one tag; laughing, closed eyes and places follow from the scene."""
    assert general_tags(SCENE) == (
        "solo", "no_humans", "blush", "smile", "outdoors", "round_body", "coral_fur", "sprout",
        "scarf", "beach", "waving", "full_body",
    )  # fmt: skip
    laughing = general_tags(replace(SCENE, pose="cheering", background="studio", framing="face"))
    assert {":d", "open_mouth", "closed_eyes", "arms_up", "indoors", "portrait"} <= {*laughing}
    assert not {"smile", "outdoors", "cheering", "face"} & {*laughing}
    hidden = replace(SCENE, look=replace(MASCOT, accessory="sunglasses"), pose="jumping")
    assert "closed_eyes" not in general_tags(hidden)
    paper = general_tags(replace(SCENE, background="white"))
    assert {"white_background", "simple_background"} <= {*paper}
    assert not {"indoors", "outdoors"} & {*paper}


def test_every_scene_has_one_value_of_each_attribute() -> None:
    """Over many scenes: one tag of each attribute, or none of the background on white paper."""
    for seed in range(300):
        scene = random_scene(seed)
        tags = set(general_tags(scene))
        for attribute, values in attribute_values().items():
            missing = attribute == "background" and scene.background == "white"
            assert len(tags & set(values)) == (0 if missing else 1)
        assert tags <= set(GENERAL)
        assert set(attribute_tags(scene).values()) <= tags


def test_characters_are_known_by_their_look() -> None:
    """A named mascot is named wherever it is; nobody else is."""
    for name, look in CHARACTERS.items():
        assert words.character_tags(replace(SCENE, look=look)) == (name,)
    assert words.character_tags(SCENE) == ()


def test_a_prompt_says_nothing_false() -> None:
    """Over many prompts, each value of an attribute that is named is the scene's own."""
    values = [value.replace("_", " ") for each in attribute_values().values() for value in each]
    kinds = set()
    for seed in range(400):
        scene = random_scene(seed)
        text = words.prompt(scene, random.Random(seed))
        own = {tag.replace("_", " ") for tag in attribute_tags(scene).values()}
        others = {value for value in values if value not in own}
        # `blue fur` is also said as `blue mascot`; both begin with the value's first word.
        tags = set(text.split(", "))
        assert not tags & others, text
        if text.startswith(("a ", "a picture of a ", "a drawing of a ")):
            said = set(text.replace(",", "").split())
            wrong = {value.split()[0] for value in others} - {v.split()[0] for v in own}
            assert not said & (wrong - {"party", "top"}), text
        kinds.add((text.startswith("a "), ", " in text, text == ""))
    assert len(kinds) >= 4


def test_every_word_has_a_token_of_its_own() -> None:
    """All words of captions, prompts and tags are among those a tokenizer is made for."""
    known = set(words.words())
    for seed in range(200):
        said = caption(random_scene(seed)).replace(",", "").split()
        assert set(said) <= known
        tags = [word for tag in general_tags(random_scene(seed)) for word in tag.split("_")]
        assert {word for word in tags if word.isalpha()} <= known
    assert words.words() == tuple(sorted(known))
