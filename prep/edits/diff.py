"""What an edit changes in pictures' words, as values and as lines for a person. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prep.edits.record import PictureRecord, glob, plain
from prep.edits.rules import Op, Rule
from prep.runtime.errors import nearest


@dataclass(frozen=True)
class Change:
    """The words of one picture before and after.

    Attributes:
        before: Picture whose tags and caption are those of now.
        after: The same with those that it gets; one of the two differs.
    """

    key: str
    before: PictureRecord
    after: PictureRecord

    def fields(self) -> Iterator[str]:
        """Yield `tags` and `caption`, where they differ."""
        for field in ("tags", "caption"):
            if getattr(self.before, field) != getattr(self.after, field):
                yield field

    def lines(self) -> Iterator[str]:
        """Yield one line for each field that differs, without the key."""
        was, now = (one.caption or "(none)" for one in (self.before, self.after))
        for field in self.fields():
            yield f"tags: {self._tags()}" if field == "tags" else f"caption: {was} -> {now}"

    def facts(self) -> Mapping[str, object]:
        """Return the same for `--json`."""
        sides = {"before": self.before, "after": self.after}
        return {"key": self.key} | {
            field: {side: getattr(words, field) for side, words in sides.items()}
            for field in self.fields()
        }

    def _tags(self) -> str:
        old, new = self.before.tags, self.after.tags
        stayed = [tag for tag in old if tag in new]
        moved = stayed != [tag for tag in new if tag in old]
        # A renamed tag keeps its place; an added one stands at the end unless it was put first.
        moved |= old[:1] != new[:1] and old[:1] == tuple(stayed[:1]) and bool(stayed)
        told = [f"-{tag}" for tag in old if tag not in new]
        told += [f"+{tag}" for tag in new if tag not in old]
        return ", ".join(told + ([f"in the order {', '.join(new)}"] if moved else []))


def between(
    before: Mapping[str, PictureRecord], after: Mapping[str, PictureRecord]
) -> list[Change]:
    """Return what differs, in the order of keys."""
    each = [Change(key, before[key], after[key]) for key in sorted(after)]
    return [change for change in each if any(True for _ in change.fields())]


def unmet(rule: Rule, pictures: Iterable[PictureRecord]) -> Iterator[str]:
    """Yield a line for each tag that was to be dropped, renamed or put first and that none has.

    Operations take tags as they are spelt, filters do not: `long_hair` is not `long hair` here.
    What the rule itself drops or renames is not proposed: nobody has it afterwards.

    Args:
        rule: What was to be done.
        pictures: Those it was for, before and after.
    """
    known = {tag for picture in pictures for tag in picture.tags}
    gone = [t for one in (rule, *rule.then) for t in one.tags if one.op in (Op.DROP, Op.RENAME)]
    left = [each for each in sorted(known) if not any(glob(tag, each) for tag in gone)]
    for one in (rule, *rule.then):
        for tag in one.tags if one.op in (Op.DROP, Op.RENAME, Op.FIRST) else ():
            if tag in known or ("*" in tag and any(glob(tag, each) for each in known)):
                continue
            same = [each for each in left if plain(each) == plain(tag)]
            hint = f"did you mean `{same[0]}`?" if same else nearest(tag, left)
            told = f"no picture of these has `{tag}`"
            yield f"{told}: {hint}" if hint.startswith("did") else told
