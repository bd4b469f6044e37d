"""The words of the pictures: how long they are, which do not train, how concepts are balanced."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from prep.models.tokenizer import CHUNKS
from prep.pages.markup import Markup, coded, element, join
from prep.pages.page_table import table
from prep.pages.point_plot import bars
from prep.quality.aspects import one_sided
from prep.report.gathered import Gathered
from prep.report.report_parts import SHOWN, listed
from prep.report.shown_picture import ShownPicture
from prep.runtime.counts import counted

_WIDE, _BARS = 15, 40  # tokens a bar, at least; bars, at most
_READ = CHUNKS[0]


def words(found: Gathered) -> Markup | None:
    """Return how many tokens texts have, and those that are longer than what is read of them."""
    if not found.kept:
        return None
    most = max(one.tokens for one in found.kept)
    wide = max(_WIDE, -(-most // _BARS))
    tokens = Counter(one.tokens // wide for one in found.kept)
    named = [(str(step * wide), tokens[step]) for step in range(max(tokens) + 1)]
    rows = [
        (str(limit), str(sum(one.tokens > limit for one in found.kept)))
        for limit in CHUNKS
        if limit < most or limit == _READ
    ]
    lines = [element("li", coded(line)) for line in found.account.lines()]
    return join(
        element("ul", *lines) if lines else element("p", "All words of yours train."),
        element("h3", "Tokens"),
        bars(named, f"texts by tokens; the longest has {most}", f"{len(found.kept)} texts")
        if most
        else None,
        table(("tokens that are read", "texts that are longer"), rows),
        _texts(found) if most else None,
    )  # fmt: skip


def unused_words(found: Gathered) -> Markup | None:
    """Return picture by picture what is to be told of its words; None where there is nothing."""
    if sum(map(len, found.account.empty.values())) == len(found.kept):
        return None  # the section before says so
    known = {one.key: one for one in found.kept}
    told = [
        element(
            "li", found.parts.shot(known[key]), found.parts.named(known[key]), element("br"), what,
            element("br"), element("span", coded(reason), class_="quiet"),
        )
        for what, key, reason in found.account.listed()
    ]  # fmt: skip
    return listed(told) if told else None


def concepts(found: Gathered) -> Markup | None:
    """Return how concepts are balanced: their pictures, showings, weights and words."""
    by_concept: defaultdict[str, list[ShownPicture]] = defaultdict(list)
    for one in found.kept:
        by_concept[one.sample.concept].append(one)
    if not by_concept:
        return None
    shown = {name: sum(one.repeats for one in each) for name, each in by_concept.items()}
    pull = {
        name: sum(one.repeats * one.sample.weight for one in each)
        for name, each in by_concept.items()
    }
    total, pulled = sum(shown.values()), sum(pull.values()) or 1.0
    rows = [
        (
            name or "(none)", str(len(each)), str(shown[name]), f"{shown[name] / total:.0%}",
            f"{pull[name] / pulled:.0%}", f"{sum(one.tokens for one in each) / len(each):.0f}",
        )
        for name, each in sorted(by_concept.items(), key=lambda item: -shown[item[0]])
    ]  # fmt: skip
    head = ("concept", "pictures", "shown an epoch", "of all", "of all, by weight", "tokens, mean")
    few = f"The first {SHOWN} of {counted(len(rows), 'concept')}." if len(rows) > SHOWN else None
    return join(
        table(head, rows[:SHOWN]),
        element("p", few, class_="quiet") if few else None,
        element("ul", *_one_sided(by_concept)),
    )


def _one_sided(by_concept: Mapping[str, Sequence[ShownPicture]]) -> Iterator[Markup]:
    for name, each in sorted(by_concept.items()):
        for sentence in one_sided([one.aspects for one in each if one.aspects]):
            yield element("li", coded(f"one-sided{f', `{name}`' if name else ''}: {sentence}"))


def _texts(found: Gathered) -> Markup:
    rows = [
        element(
            "li", found.parts.shot(one),
            element("strong", f"{one.tokens} tokens ", class_=one.tokens > _READ and "warn"),
            found.parts.named(one), element("br"),
            element("span", one.text or "no text", class_="quiet clip"),
        )
        for one in sorted(found.kept, key=lambda one: (-one.tokens, one.key))
    ]  # fmt: skip
    return element("details", element("summary", "Every text, the longest first"), listed(rows))
