"""Tags of pictures as a table: how often each occurs, and which occur together. pandas."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def frame(pictures: Iterable[Collection[str]]) -> "pd.DataFrame":
    """Return a row for each picture and tag: `picture`, its number from 0, and `tag`.

    Args:
        pictures: The tags of each, each once.
    """
    import pandas as pd

    tags = pd.Series([list(each) for each in pictures], dtype="object", name="tag")
    long = tags.explode().dropna()
    return pd.DataFrame({"picture": long.index, "tag": long.astype("str").to_numpy()})


def counts(tagged: "pd.DataFrame") -> "pd.DataFrame":
    """Return `tag` and `pictures`, the most frequent tag first, then by name."""
    found = tagged.groupby("tag").size().rename("pictures").reset_index()
    return found.sort_values(["pictures", "tag"], ascending=[False, True], ignore_index=True)


def together(tagged: "pd.DataFrame", total: int) -> "pd.DataFrame":
    """Return `one`, `other`, `pictures` and `lift` of each two tags that two pictures have.

    The most frequent pair first, then by name; a pair is named in the order of the alphabet.

    Args:
        tagged: What `frame` returned.
        total: How many pictures there are.
    """
    often = tagged.groupby("tag")["tag"].transform("size")
    several = tagged[often > 1]
    both = several.merge(several, on="picture", suffixes=("", "_other"))
    both = both[both["tag"] < both["tag_other"]]
    found = both.groupby(["tag", "tag_other"]).size().rename("pictures").reset_index()
    found = found[found["pictures"] > 1].rename(columns={"tag": "one", "tag_other": "other"})
    number = tagged.groupby("tag").size()
    expected = found["one"].map(number) * found["other"].map(number) / total
    found["lift"] = found["pictures"] / expected
    return found.sort_values(
        ["pictures", "one", "other"], ascending=[False, True, True], ignore_index=True
    )
