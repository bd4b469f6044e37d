"""All that the sections of the page are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from prep.dataset.account import Account, account
from prep.dataset.dataset_file import Dataset
from prep.report.alike_pairs import AlikePair, Leak, leaks, pairs
from prep.report.report_parts import PageParts
from prep.report.shown_picture import TRAIN, VALIDATION, ShownPicture, concepts_of


@dataclass(frozen=True)
class Gathered:
    """What is known of a folder of pictures.

    Attributes:
        pictures: Those that could be read, in the order of keys.
        left_out: Key -> why a picture, of this folder or those before, is not among them.
        trigger: The word that calls the subject; empty for none.
        bucketed: The buckets are those of `prep bucket`.
        compared: It was looked for pictures that are alike.
        checked: `prep check` has looked at them.
    """

    pictures: Sequence[ShownPicture]
    left_out: Mapping[str, str]
    trigger: str
    bucketed: bool
    compared: bool
    checked: bool

    @cached_property
    def parts(self) -> PageParts:
        """What makes pieces of the page."""
        return PageParts(self.pictures)

    @cached_property
    def kept(self) -> list[ShownPicture]:
        """The pictures that train or are kept for validation."""
        return [one for one in self.pictures if one.place in (TRAIN, VALIDATION)]

    @cached_property
    def alike(self) -> list[AlikePair]:
        """Those that show the same, in pairs."""
        return pairs(self.pictures)

    @cached_property
    def leaks(self) -> list[Leak]:
        """Those for validation that are trained on as well."""
        return leaks(self.pictures, self.alike)

    @cached_property
    def account(self) -> Account:
        """What becomes of the words of these."""
        samples = {one.key: one.sample for one in self.kept}
        return account(Dataset(".", samples, concepts=concepts_of(self.kept, self.trigger)))
