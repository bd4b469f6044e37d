"""`prep edit` with traits to prune, aliases and implications, over a real run."""

import json
from pathlib import Path

import pytest

from tests.prep.projects import NAMES, Project, drawing, new_project

EDIT = """\
pipelines:
  small:
    images: ./images
    meta: ./meta.json
    stages:
      - edit: {prune: 0.8, keep: "long hair", trigger: mascot}
"""
TEXT = "1girl, blue eyes, long hair, smile"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Five pictures of a subject with blue eyes, as a person tagged them."""
    found = new_project(tmp_path / "project", EDIT)
    (found.folder / "tags.rules").write_text("- first: [smile]\n")
    for number, name in enumerate(NAMES):
        (found.images / name).with_suffix(".txt").write_text(f"{TEXT}, thing {number}\n")
    monkeypatch.chdir(found.folder)
    return found


def tags(project: Project) -> dict[str, list[str]]:
    """Return key -> tags of the dataset file."""
    samples = json.loads((project.folder / "meta.json").read_text())["samples"]
    return {key: sample["tags"] for key, sample in samples.items()}


def add(project: Project, name: str, text: str) -> None:
    """Add a picture with its tags."""
    (project.images / name).write_bytes(drawing(NAMES[-1], seed=sum(name.encode())))
    (project.images / name).with_suffix(".txt").write_text(text + "\n")


def test_a_trait_of_nearly_all_is_left_to_the_trigger(project: Project) -> None:
    """Eyes that four of five pictures have are pruned; clothes, poses and what is kept are not."""
    (project.images / NAMES[0]).with_suffix(".txt").write_text("1girl, hat\n")

    project.run()

    found = tags(project)
    assert found[NAMES[0]] == ["mascot", "1girl", "hat"]
    assert found[NAMES[1]] == ["mascot", "1girl", "long hair", "smile", "thing 1"]
    assert 'traits: up to date, the machine says ["blue eyes"]' in project.why(NAMES[1], inner=True)
    assert (project.images / NAMES[1]).with_suffix(".txt").read_text() == f"{TEXT}, thing 1\n"


def test_a_new_picture_reruns_no_other(project: Project) -> None:
    """While the share is reached, no other picture is concerned; below, all get it back."""
    project.run()
    add(project, "one more.png", "1girl, hat")

    spies = project.run()

    assert spies.maps() == {"measure": 1, "edit": 1}
    assert "blue eyes" not in tags(project)[NAMES[0]]
    assert tags(project)["one more.png"] == ["mascot", "1girl", "hat"]
    add(project, "and one.png", "1girl, hat, red eyes")

    spies = project.run()

    assert spies.maps() == {"measure": 1, "edit": len(NAMES) + 1}
    assert tags(project)[NAMES[0]] == ["mascot", *TEXT.split(", "), "thing 0"]
    assert not project.run().samples


def test_without_a_share_nothing_is_decided(project: Project) -> None:
    """Who prunes nothing pays nothing: no picture has a row of traits; to stop gives all back."""
    project.replace("prune: 0.8, ", "")

    spies = project.run()

    assert spies.samples["traits"] == 0
    assert "traits" not in project.why(NAMES[0])
    project.replace("keep:", "prune: 0.8, keep:")
    project.run()
    assert "blue eyes" not in tags(project)[NAMES[0]]
    project.replace("prune: 0.8, ", "")
    project.run()
    assert tags(project)[NAMES[0]] == ["mascot", *TEXT.split(", "), "thing 0"]


def test_concepts_have_traits_of_their_own(project: Project) -> None:
    """Each folder is a concept: what one always has, another may have now and then."""
    for name in NAMES:
        for end in ("", ".txt"):
            old = project.images / name
            old = old.with_suffix(end) if end else old
            (project.images / "10_toy").mkdir(exist_ok=True)
            old.rename(project.images / "10_toy" / old.name)
    for number in range(5):
        add(project, f"{number}.png", "1boy, blue eyes" if number else "1boy, green eyes")
    add(project, "5.png", "1boy")

    project.run()

    found = tags(project)
    assert "blue eyes" not in found[f"10_toy/{NAMES[0]}"]
    assert found["1.png"] == ["mascot", "1boy", "blue eyes"]


def test_a_booru_s_own_words(project: Project) -> None:
    """Aliases become tags, what follows is dropped or added; before the rules and the trigger."""
    head = "antecedent,consequent\n"
    (project.folder / "aliases.csv").write_text(f"{head}grin,smile\nhappy,smile\n")
    (project.folder / "follows.csv").write_text(f"{head}cat_ears,animal_ears\nak_5,gun\n")
    (project.images / NAMES[0]).with_suffix(".txt").write_text("happy, animal ears, cat ears, grin")
    project.replace(
        "{prune: 0.8, ",
        "{aliases: ./aliases.csv, implications: ./follows.csv, rules: ./tags.rules, ",
    )

    project.run()
    assert tags(project)[NAMES[0]] == ["mascot", "smile", "cat ears"]

    project.replace("keep:", "implied: add, keep:")
    project.run()
    assert tags(project)[NAMES[0]] == ["mascot", "smile", "animal ears", "cat ears"]
    assert not project.run().samples


def test_a_wrong_file_stops_before_anything_is_changed(project: Project) -> None:
    """Mistakes in a file of aliases or implications are two lines, and no dataset file appears."""
    from prep.runtime.errors import ConfigError

    (project.folder / "follows.csv").write_text("antecedent,consequent\na,b\nb,a\n")
    project.replace("{prune: 0.8, ", "{implications: ./follows.csv, ")

    with pytest.raises(ConfigError, match=r"`\./follows\.csv`: `a` leads back to itself"):
        project.run()
    assert not (project.folder / "meta.json").exists()
