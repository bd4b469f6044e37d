import base64
import hashlib
import re
from pathlib import Path

import pytest

from prep.pages.document import document, is_page
from prep.pages.line_plot import PlotLine, plot
from prep.pages.markup import Markup, element, join
from prep.pages.page_pictures import data_uri


def test_text_is_escaped_and_markup_is_not() -> None:
    """Wherever a text stands: between tags, within an attribute, in a list."""
    found = element("td", "<b>", [Markup("<i></i>"), "&"], title="\"'<", data_x=1, hidden=True)

    assert found == ('<td title="&quot;&#x27;&lt;" data-x="1" hidden>&lt;b&gt;<i></i>&amp;</td>')
    assert join("<", None, 3, Markup("<")) == "&lt;3<"
    assert element("input", name="a", disabled=False) == '<input name="a">'
    assert element("line", x1=1) == '<line x1="1"/>'


def test_a_page_lets_in_its_own_style_and_script_alone() -> None:
    """The policy has the digests of what stands in the file, and nothing may be fetched."""
    page = document("<t>", ["<p>"], style=".a {}", script="let a = 1 < 2;").decode()

    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0]
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#x27;", "'").split("; "))
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "<title>&lt;t&gt;</title>" in page
    assert "<main>&lt;p&gt;</main>" in page


def test_a_page_is_known_again(tmp_path: Path) -> None:
    """By what it says of itself; another page, and none, is no page of ours."""
    ours, other = tmp_path / "a.html", tmp_path / "b.html"
    ours.write_bytes(document("t", []))
    other.write_text("<p>prep and train")

    assert [is_page(path) for path in (ours, other, tmp_path / "c.html")] == [True, False, False]


def test_style_that_ends_its_element_is_refused() -> None:
    """No page is written whose script would go on as text."""
    with pytest.raises(ValueError, match="end tag"):
        document("t", [], script="'</script>'")


def test_a_plot_puts_points_where_they_belong() -> None:
    """The corners of the plot are its least and largest numbers; NaN is left out."""
    found = plot([PlotLine("a", [(0, 0.0), (5, float("nan")), (10, 100.0)])], "step", "told")

    points = re.findall(r'points="([^"]*)"', found)
    (first, last) = [tuple(map(float, one.split(","))) for one in points[0].split()]
    assert first == (72.0, 226.0)
    assert last[0] == 658.0
    assert last[1] == pytest.approx(226 - (226 - 12) / 1.04, abs=0.1)
    assert [int(text) for text in re.findall(r">(\d+)</text>", found)] == [
        0, 2, 4, 6, 8, 10, 0, 50, 100
    ]  # fmt: skip


def test_a_plot_of_many_points_keeps_their_means() -> None:
    """Of 12,000 points 600 or fewer are drawn, and their mean is that of all."""
    found = plot([PlotLine("a", [(n, float(n % 2)) for n in range(12_000)])], "step", "told")

    places = re.findall(r'points="([^"]*)"', found)[0].split()
    assert 500 < len(places) <= 600
    assert len({place.split(",")[1] for place in places}) == 1


def test_a_plot_of_nothing_says_so() -> None:
    """No line, and a line without points."""
    wanted = '<p class="quiet">Nothing to draw yet.</p>'
    assert plot([], "x", "t") == plot([PlotLine("a", [])], "x", "t") == wanted


def test_a_picture_is_made_smaller() -> None:
    """Its longer side is what was asked for; a smaller one stays."""
    import io

    from PIL import Image

    def size(most: int) -> tuple[int, int]:
        uri = data_uri(Image.new("RGB", (200, 100), "red"), most)
        data = base64.b64decode(uri.partition(",")[2])
        return Image.open(io.BytesIO(data)).size

    assert (size(50), size(300)) == ((50, 25), (200, 100))
