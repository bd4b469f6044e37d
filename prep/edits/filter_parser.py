"""A filter's text -> the filter, or what is wrong with it and in which column. Pure.

1girl -solo width<512        all of them; `-` and `not` turn a term round
1girl and (smile or grin)    `or` binds less than `and`
tag:"long hair"              as `long_hair` does; `*` stands for any text
caption:rain name:01* path:faces/* has:caption
width height ratio tags chars tokens        < <= > >= = != and a number
size:512x768  score:smile<0.5
"""

import re
from collections.abc import Callable, Mapping

from prep.edits.filters import (
    HAS,
    NUMBERS,
    TEXTS,
    And,
    Filter,
    Has,
    Not,
    Number,
    Or,
    Score,
    Sign,
    Size,
    Text,
)
from prep.runtime.errors import nearest
from prep.tags.tag_text import canonical

MAX_CHARS = 4000
MAX_DEPTH = 20

_FIELD = re.compile(r"([A-Za-z]\w*)(:|\s*(?=<|>|=|!=))", re.ASCII)
_SIGN = re.compile(r"\s*(<=|>=|!=|==|<|>|=)\s*")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?(?=[\s()]|$)", re.ASCII)
_SCORE = re.compile(r"(.+?)(<=|>=|!=|==|<|>|=)([^<>=!]+)")
_SIZE = re.compile(r"(\d{1,9})[xX](\d{1,9})", re.ASCII)
_JOINING = re.compile(r"(and|or|not)(?=[\s()\"]|$)", re.IGNORECASE)
_QUOTE = 'put a tag with special characters in quotes: tag:">_<"'


class FilterError(Exception):
    """A filter that cannot be read.

    Attributes:
        message: Begins with the column, from 1: `column 5: ...`.
        hint: What to write.
    """

    def __init__(self, column: int, message: str, hint: str) -> None:
        self.message, self.hint = f"column {column}: {message}", hint
        super().__init__(self.message)


def parsed(text: str) -> Filter:
    """Return the filter that a text says.

    Raises:
        FilterError: It says none, or is longer or nested deeper than a person would write.
    """
    if len(text) > MAX_CHARS:
        raise FilterError(MAX_CHARS, f"a filter has at most {MAX_CHARS} characters", "write two")
    reader = _Reader(text)
    found = reader.any_of()
    if reader.left():
        raise reader.error("`)` stands without a `(` before it", "remove it")
    return found


class _Reader:
    """Reads from left to right; `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.fields: Mapping[str, Callable[[str], Filter]] = {
            **dict.fromkeys(TEXTS, self.text_of),
            **dict.fromkeys(NUMBERS, self.number_of),
            "score": self.score_of,
            "size": self.size_of,
            "has": self.has_of,
        }

    def error(self, message: str, hint: str, at: int | None = None) -> FilterError:
        return FilterError((self.at if at is None else at) + 1, message, hint)

    def left(self) -> bool:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.at < len(self.text)

    def joining(self, word: str) -> bool:
        """Pass over `and`, `or` or `not` where it stands next."""
        found = _JOINING.match(self.text, self.at) if self.left() else None
        if found is None or found[1].lower() != word:
            return False
        self.at = found.end()
        return True

    def any_of(self) -> Filter:
        parts = [self.all_of()]
        while self.joining("or"):
            parts.append(self.all_of())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all_of(self) -> Filter:
        parts = [self.term()]
        while self.joining("and") or self.another():
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def another(self) -> bool:
        """Return whether a term follows without a word between."""
        if not self.left() or self.text[self.at] == ")":
            return False
        found = _JOINING.match(self.text, self.at)
        return found is None or found[1].lower() == "not"

    def term(self) -> Filter:
        if not self.left():
            raise self.error("a tag or a condition is missing", "write one, such as `tag:solo`")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep", "use fewer levels")
        found = self.inner()
        self.depth -= 1
        return found

    def inner(self) -> Filter:
        start = self.text[self.at]
        if start == "(":
            return self.bracketed()
        if start == "-" or self.joining("not"):
            self.at += start == "-"
            return Not(self.term())
        if start == ")" or (word := _JOINING.match(self.text, self.at)):
            shown = start if start == ")" else word[1]  # type: ignore[index]
            raise self.error(f"a tag is missing before `{shown}`", f'or search `tag:"{shown}"`')
        field = _FIELD.match(self.text, self.at)
        return self.field(field) if field else Text("tag", canonical(self.word("a tag")))

    def bracketed(self) -> Filter:
        start = self.at
        self.at += 1
        found = self.any_of()
        if not self.left():
            raise self.error("`(` is never closed", f"add a `)`; {_QUOTE}", start)
        self.at += 1
        return found

    def field(self, found: re.Match[str]) -> Filter:
        name = found[1].lower()
        if name not in self.fields:
            near = nearest(name, self.fields)
            hint = near if near.startswith("did") else f'{near}; or quote it: tag:"{found[0]}..."'
            raise self.error(f"nothing is named `{found[1]}`", hint)
        self.at = found.end()
        return self.fields[name](name)

    def text_of(self, name: str) -> Filter:
        if self.text[self.at - 1] != ":":
            raise self.error(f"`{name}` is text", f"write `{name}:...` or `-{name}:...`")
        return Text(name, canonical(self.word(f"what `{name}:` asks for")))

    def number_of(self, name: str) -> Filter:
        sign = self.sign() if _SIGN.match(self.text, self.at) else Sign.IS
        return Number(name, sign, self.number(f"{name}<512"))

    def score_of(self, _: str) -> Filter:
        start, example = self.at, "score:smile<0.5"
        if self.text[start : start + 1] == '"':
            tag = self.word("a tag")
        else:
            word = self.word("a tag")
            whole = _SCORE.fullmatch(word)
            if whole:  # the sign stands in the word: a tag may hold one as well
                self.at -= len(word) - len(whole[1])
            tag = whole[1] if whole else word
        if not _SIGN.match(self.text, self.at):
            raise self.error("a score is compared with a number", f"write `{example}`", start)
        return Score(canonical(tag), self.sign(), self.number(example))

    def size_of(self, _: str) -> Filter:
        start = self.at
        self.at = found.end() if (found := _SIGN.match(self.text, self.at)) else self.at
        whole = _SIZE.fullmatch(self.word("a size"))
        if whole is None or (found and found[1] not in ("=", "==")):
            raise self.error("a size is two numbers", "write `size:512x768`, or `width<512`", start)
        return Size(int(whole[1]), int(whole[2]))

    def has_of(self, _: str) -> Filter:
        start = self.at
        what = self.word("what a picture has").lower()
        if what not in HAS:
            raise self.error(f"`has:` does not know `{what}`", nearest(what, HAS), start)
        return Has(what)

    def sign(self) -> Sign:
        found = _SIGN.match(self.text, self.at)
        if found is None:
            raise self.error("`<`, `>` or `=` is missing", "write `width<512`")
        self.at = found.end()
        return Sign("=" if found[1] == "==" else found[1])

    def number(self, example: str) -> float:
        found = _NUMBER.match(self.text, self.at)
        value = float(found[0]) if found else float("inf")
        if found is None or value in (float("inf"), float("-inf")):
            raise self.error("a number is missing", f"write `{example}`")
        self.at = found.end()
        return value

    def word(self, what: str) -> str:
        """Return what stands next: what is in quotes, or up to a space or an unmatched `)`."""
        start = self.at
        found = self.quoted() if self.text[start : start + 1] == '"' else self.bare()
        if not canonical(found):
            raise self.error(f"{what} is missing", "write it after the `:`, or in quotes", start)
        return found

    def quoted(self) -> str:
        start = self.at
        out: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                if self.text[self.at : self.at + 1].strip(" )\t\r\n<>=!"):
                    raise self.error('a space is missing after `"`', "write one")
                return "".join(out)
            if char == "\\" and self.text[self.at : self.at + 1] in ("\\", '"'):
                char = self.text[self.at]
                self.at += 1
            out.append(char)
        raise self.error('`"` is never closed', 'add a `"`', start)

    def bare(self) -> str:
        start, inside = self.at, 0
        while self.at < len(self.text) and not self.text[self.at].isspace():
            char = self.text[self.at]
            inside += (char == "(") - (char == ")")
            if inside < 0:
                break
            self.at += 1
        if inside > 0:
            raise self.error("`(` is never closed", f"add a `)`; {_QUOTE}", start)
        return self.text[start : self.at]
