"""Texts in the place of captions, for pictures of one thing or in one style.

Source: Gal et al. 2022 (textual inversion), their code; kohya-ss/sd-scripts (commit 48d368fa),
train_textual_inversion.py, `--use_object_template` and `--use_style_template`.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from prep.dataset.wording import Wording
from train.data.dataset import TrainingSample

_OBJECT = """
a photo of a {}; a rendering of a {}; a cropped photo of the {}; the photo of a {};
a photo of a clean {}; a photo of a dirty {}; a dark photo of the {}; a photo of my {};
a photo of the cool {}; a close-up photo of a {}; a bright photo of the {}; a cropped photo of a {};
a photo of the {}; a good photo of the {}; a photo of one {}; a close-up photo of the {};
a rendition of the {}; a photo of the clean {}; a rendition of a {}; a photo of a nice {};
a good photo of a {}; a photo of the nice {}; a photo of the small {}; a photo of the weird {};
a photo of the large {}; a photo of a cool {}; a photo of a small {}
"""
_STYLE = """
a painting; a rendering; a cropped painting; the painting; a clean painting; a dirty painting;
a dark painting; a picture; a cool painting; a close-up painting; a bright painting;
a cropped painting; a good painting; a close-up painting; a rendition; a nice painting;
a small painting; a weird painting; a large painting
"""


def _each(lines: str, behind: str = "") -> tuple[str, ...]:
    return tuple(" ".join(one.split()) + behind for one in lines.split(";"))


# `{}` stands for the word.
TEMPLATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"object": _each(_OBJECT), "style": _each(_STYLE, " in the style of {}")}
)


def filled(sample: TrainingSample, template: str, word: str) -> TrainingSample:
    """Return a sample that is shown with one of a template's texts, as with one of its captions."""
    texts = [one.format(word) for one in TEMPLATES[template]]
    each = tuple(Wording((text,), 0) for text in texts)
    return replace(sample, text=texts[0], words=(texts[0],), num_tags=0, lead=0, each=each)
