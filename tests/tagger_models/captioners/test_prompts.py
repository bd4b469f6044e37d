import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.runtime.errors import ConfigError
from tagger_models.captioners.prompt_templates import (
    PRESETS,
    VARIABLES,
    chosen,
    filled,
    filled_for,
    of_key,
    variables,
)


def test_variables_are_found_once_in_order() -> None:
    """A template tells what it asks of a picture; doubled braces ask for nothing."""
    assert variables("{name}: {tags}, {name} {{notes}}") == ("name", "tags")
    assert variables("Describe this image.") == ()


def test_places_are_filled() -> None:
    """Each variable's value stands in its place on one line; what a picture lacks is empty."""
    values = {"tags": "1girl,\n solo", "name": "{tags}"}

    assert filled("{name} has {tags} {{x}} {notes}", values) == "{tags} has 1girl, solo {x}"


@pytest.mark.parametrize(
    ("template", "message", "hint"),
    [
        ("{tag}", "no variable of a prompt is named `tag`", "did you mean `tags`?"),
        (
            "{}",
            "no variable of a prompt is named ``",
            "known: caption, folder, name, notes, tags",
        ),
        (
            "a } b",
            "the prompt has a `}` that belongs to no variable",
            "write `}}` for the character itself",
        ),
        (
            "{tags",
            "the prompt has a `{` that belongs to no variable",
            "write `{{` for the character itself",
        ),
    ],
)
def test_mistakes_of_a_template(template: str, message: str, hint: str) -> None:
    """An unknown variable and a lone brace are told with the nearest name or the way to write."""
    with pytest.raises(ConfigError) as told:
        variables(template)

    assert (str(told.value), told.value.hint) == (message, hint)


@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    """Every text is the result of a template: the one with its braces doubled."""
    template = text.replace("{", "{{").replace("}", "}}")

    assert variables(template) == ()
    assert filled(template, {}) == text.strip()


@given(st.text())
def test_a_value_is_never_a_template(text: str) -> None:
    """What a person or a tagger wrote is put in as it is, braces too."""
    assert filled("<{notes}>", {"notes": text}) == f"<{' '.join(text.split())}>"


def test_presets_are_templates() -> None:
    """Every preset can be filled, and ends with the wish for nothing but the description."""
    for preset in PRESETS.values():
        assert set(variables(preset)) <= set(VARIABLES)
        assert filled(preset, {"tags": "solo"}).endswith("Answer with the description only.")
    assert variables(PRESETS["tags"]) == ("tags",)


@pytest.mark.parametrize(
    ("key", "name", "folder"),
    [
        ("a.png", "a", ""),
        ("10_hero/side view/\u732b 01.v2.jpeg", "\u732b 01.v2", "10_hero/side view"),
        ("hero/a.png@face.png", "a", "hero"),
        ("@home.png", "@home", ""),
        (".png", ".png", ""),
    ],
)
def test_name_and_folder_of_a_key(key: str, name: str, folder: str) -> None:
    """A picture's name has no ending, and that of a crop is its source's."""
    assert of_key(key) == {"name": name, "folder": folder}


def test_a_prompt_or_a_preset() -> None:
    """One of the two says what is asked; both at once is a mistake."""
    assert (chosen("what?", ""), chosen("", "style"), chosen("", "")) == (
        "what?", PRESETS["style"], ""
    )  # fmt: skip
    with pytest.raises(ConfigError) as told:
        chosen("what?", "style")
    assert str(told.value) == "`prompt` and `preset` both say what is asked"
    assert told.value.hint == "leave one of the two out"


def test_a_picture_fills_its_prompt() -> None:
    """What a picture has stands in its prompt, and nothing where it has nothing."""
    row = {"key": "hero/a.png", "tags": ["solo", "hat"], "notes": "red", "yours.caption": "A."}
    template = "{folder}/{name}: {tags}; {notes}; {caption}"

    assert filled_for(template, row) == "hero/a: solo, hat; red; A."
    assert filled_for(template, {"key": "a.png", "notes": None}) == "/a: ; ;"
