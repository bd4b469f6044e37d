"""The pictures as the page's script reads them: one JSON text within the page. Pure."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from prep.pages.markup import Markup, element
from prep.report import small_pictures
from prep.report.gathered import Gathered
from prep.report.shown_picture import ShownPicture
from prep.sheets.columns import Columns, Kind


def data(found: Gathered, columns: Columns) -> Markup:
    """Return the element that holds all that the page's script knows.

    Its `id` is that of this state of the pictures: another one has other revisions.
    """
    places = {one.key: place for place, one in enumerate(found.pictures)}
    alike = {pair.picture.key: pair for pair in found.alike}
    images = _images(found.pictures)
    state = hashlib.sha256()
    each = []
    for one in found.pictures:
        state.update(one.row.revision.encode())
        state.update(one.key.encode())
        pair = alike.get(one.key)
        like = one.like or {}
        each.append(
            _present(
                {
                    "key": one.key,
                    "revision": one.row.revision,
                    "cells": {name: cell for name, cell in one.row.cells.items() if cell},
                    "place": one.place,
                    "why": one.why,
                    "size": one.size,
                    "bucket": "{}x{}".format(*one.bucket) if one.bucket else "",
                    "frame": one.frame,
                    "tokens": one.tokens,
                    "text": one.text,
                    "concept": one.sample.concept,
                    "source": one.source,
                    "like": places[pair.other.key] if pair else None,
                    "told": pair.told if pair else "",
                    "proposed": pair.proposed if pair else None,
                    "box": like.get("box"),
                    "faces": [{"box": face["box"], "kind": face["kind"]} for face in one.faces],
                    "checks": [dict(check) for check in one.checks],
                    "image": images.get(one.key, ""),
                }
            )
        )
    whole = {
        "id": state.hexdigest()[:16],
        "columns": [_column(columns, name) for name in columns],
        "pictures": each,
    }
    return element("script", _escaped(whole), type="application/json", id="data")


def _images(found: Sequence[ShownPicture]) -> dict[str, str]:
    there = [(one.key, one.copies) for one in found if one.copies is not None]
    chosen = small_pictures.fitting(copies for _, copies in there)
    return {
        key: base64.b64encode(image).decode() for (key, _), image in zip(there, chosen, strict=True)
    }


def _column(columns: Columns, name: str) -> Mapping[str, Any]:
    one = columns[name]
    limits = {"least": one.least, "most": one.most} if one.kind is Kind.NUMBER else {}
    return {"name": name, "kind": one.kind.value, **limits}


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that say something; 0 does."""
    return {name: value for name, value in values.items() if value or value == 0}


def _escaped(value: Any) -> Markup:
    """Return JSON that ends no element, whatever a caption holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
