"""The HTML page of a grid: a table of pictures, filters for each axis, a viewer for one or two."""

from collections.abc import Iterable, Iterator, Sequence

from prep.pages.document import document, own
from prep.pages.markup import Markup, element, join
from prep.pages.page_pictures import data_uri, image
from train.grid.grid_plan import CELLS, GridColumn, GridPlan
from train.grid.grid_sheet import each_size, picture_of, shrunk_to
from train.samples.prompts import Prompt

_MOST_PIXELS = 160_000_000  # of all pictures: about 25 MB of page
_HERE = "train.grid"
_KEYS = (
    (("arrows",), "go from picture to picture"),
    (("Enter",), "opens one"),
    (("c",), "chooses two to compare"),
    (("Space",), "swaps the two"),
    (("+", "-"), "zoom"),
    (("Esc",), "closes"),
)


def page(plan: GridPlan) -> bytes:
    """Return the page of a grid as it is drawn so far."""
    share = shrunk_to(plan, _MOST_PIXELS)
    names = [one.name for one in plan.columns if one.export]
    title = f"Grid: {names[0]}" if len(set(names)) == 1 else f"Grid: {names[0]} to {names[-1]}"
    body = [
        element("h1", title),
        element("p", _about(plan, share), class_="quiet"),
        _filters(plan),
        element("p", *_keys(), class_="quiet keys"),
        element("div", _table(plan, share), class_="scroll grid"),
        _tray(),
        _viewer(),
    ]
    return document(title, body, style=own("grid.css", _HERE), script=own("grid.js", _HERE))


def _about(plan: GridPlan, share: float) -> str:
    sizes = ", ".join(f"{width}x{height}" for width, height in each_size(plan))
    steps = ", ".join(dict.fromkeys(str(row.steps) for row in plan.rows))
    scales = ", ".join(dict.fromkeys(f"{row.guidance:g}" for row in plan.rows))
    small = f"; shown at {share:.0%} of their size" if share < 1 else ""
    return (
        f"Base model {plan.place.ask.name}. {sizes} px, {steps} steps, guidance {scales}. The "
        f"pictures as they were drawn lie in the folder {CELLS} beside this page{small}."
    )


def _axes(plan: GridPlan) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each axis: its word in the page, what a person calls it, and its values."""
    rows, columns = plan.rows, plan.columns
    yield "prompt", "Prompts", _once(map(_text, rows))
    yield "seed", "Seeds", _once(str(row.seed) for row in rows)
    yield "sampler", "Samplers", _once(row.sampler for row in rows)
    yield "export", "Checkpoints", _once(one.label or one.name for one in columns)
    yield "strength", "Strengths", _once(_strength(one) for one in columns if _strength(one))


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _text(row: Prompt) -> str:
    return f"{row.text} / not: {row.negative}" if row.negative else row.text


def _strength(column: GridColumn) -> str:
    return "" if column.strength is None else f"{column.strength:g}"


def _filters(plan: GridPlan) -> Markup:
    each = [
        element(
            "fieldset",
            element("legend", told),
            element("div", *(_box(axis, value) for value in values), class_="boxes"),
        )
        for axis, told, values in _axes(plan)
        if len(values) > 1
    ]
    size = element(
        "fieldset",
        element("legend", "Size"),
        element(
            "label", "Width of a picture ",
            element("input", type="range", id="size", min=48, max=768, step=8, value=192),
        ),
    )  # fmt: skip
    inner = element("div", *each, size, class_="filters")
    return element("details", element("summary", "Filter and size"), inner, id="filter", open=True)


def _box(axis: str, value: str) -> Markup:
    box = element("input", type="checkbox", checked=True, data_axis=axis, value=value)
    return element("label", box, f" {value}")


def _keys() -> Iterator[Markup]:
    for keys, what in _KEYS:
        told = join(*(element("kbd", key) for key in keys))
        yield element("span", told, f" {what}")


def _table(plan: GridPlan, share: float) -> Markup:
    several = len({row.sampler for row in plan.rows}) > 1
    head = element(
        "tr",
        element("td"),
        *(element("th", *_head(one), scope="col", **_column(one)) for one in plan.columns),
    )
    rows = [
        element(
            "tr",
            element("th", *_beside(row, several), scope="row"),
            *(
                _cell(plan, number, nth, share)
                for nth in range(len(plan.columns))
            ),
            data_prompt=_text(row),
            data_seed=row.seed,
            data_sampler=row.sampler,
        )
        for number, row in enumerate(plan.rows)
    ]  # fmt: skip
    return element("table", element("thead", head), element("tbody", *rows))


def _column(column: GridColumn) -> dict[str, str]:
    return {"data_export": column.label or column.name, "data_strength": _strength(column)}


def _head(column: GridColumn) -> list[Markup | str]:
    below = [element("span", column.name, class_="quiet")] if column.label else []
    return [element("span", column.title), *below]


def _beside(row: Prompt, several: bool) -> Sequence[Markup]:
    more = f", {row.sampler}" if several else ""
    return [
        element("span", _text(row), class_="text"),
        element("span", f"seed {row.seed}{more}", class_="quiet"),
    ]


def _cell(plan: GridPlan, number: int, nth: int, share: float) -> Markup:
    row, column = plan.rows[number], plan.columns[nth]
    picture = picture_of(plan.paths[number][nth], share)
    if picture is None:
        return element("td", element("span", "not drawn", class_="quiet"), **_column(column))
    told = f"{column.title}: {_text(row)}, seed {row.seed}, {row.sampler}"
    shown = image(data_uri(picture), "", picture.size, loading="lazy")
    button = element(
        "button", shown, type="button", class_="cell", aria_label=told, aria_pressed="false"
    )
    return element("td", button, **_column(column))


def _tray() -> Markup:
    return element(
        "div",
        element("span", id="chosen", role="status"),
        element("button", "Compare", type="button", id="compare"),
        element("button", "Forget", type="button", id="forget"),
        id="tray",
        hidden=True,
    )


def _viewer() -> Markup:
    def button(name: str, told: str, **more: object) -> Markup:
        return element("button", told, type="button", id=name, **more)

    bar = element(
        "div",
        button("close", "Close"),
        button("smaller", "-", aria_label="Zoom out"),
        button("larger", "+", aria_label="Zoom in"),
        element("output", id="zoom"),
        button("flicker", "Flicker", class_="two", aria_pressed="false"),
        button("swap", "Swap", class_="two"),
        button("beside", "Side by side", class_="two", aria_pressed="true"),
        class_="bar",
    )
    frames = [
        element(
            "figure",
            element("figcaption"),
            element(
                "div", element("img", alt=""), class_="scroll pane", tabindex=0, role="region",
                aria_label=told, autofocus=told == "First",
            ),
        )
        for told in ("First", "Second")
    ]  # fmt: skip
    stage = element("div", *frames, class_="stage")
    return element("dialog", bar, stage, id="viewer", aria_label="Pictures")
