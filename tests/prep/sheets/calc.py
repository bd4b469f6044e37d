"""LibreOffice Calc, driven as a person would: open, sort, type into one cell, save.

Runs under the Python that LibreOffice's bindings belong to, Debian's, and imports nothing of ours:
`python3 calc.py PIPE`, then one JSON list a line: source, target, column to sort by, key, column,
text. Answers `done`.
"""

import json
import sys
import time
from pathlib import Path

CSV = "Text - txt - csv (StarCalc)"
XLSX = "Calc MS Excel 2007 XML"
# Comma, quote, UTF-8, from line 1; the rest as the dialogues propose it.
OPTIONS = "44,34,76,1,,0,false,true,false"


def main(pipe: str) -> None:
    """Answer one order a line."""
    desktop = connected(pipe)
    for line in sys.stdin:
        edit(desktop, *json.loads(line))
        sys.stdout.write("done\n")
        sys.stdout.flush()
    desktop.terminate()


def connected(pipe: str):
    """Return the running program's desktop; wait a minute for it."""
    import uno
    from com.sun.star.connection import NoConnectException

    context = uno.getComponentContext()
    name = "com.sun.star.bridge.UnoUrlResolver"
    resolver = context.ServiceManager.createInstanceWithContext(name, context)
    for _ in range(300):
        try:
            there = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            time.sleep(0.2)
            continue
        return there.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", there)
    raise TimeoutError(pipe)


def edit(desktop, source: str, target: str, by: str, key: str, column: str, text: str) -> None:
    """Open a sheet, sort all its rows by a column, downwards, type into one cell, save it."""
    opened = desktop.loadComponentFromURL(
        Path(source).as_uri(), "_blank", 0, (prop("Hidden", True), *filtered(source))
    )
    page = opened.Sheets.getByIndex(0)
    cursor = page.createCursor()
    cursor.gotoEndOfUsedArea(False)
    width, height = cursor.RangeAddress.EndColumn, cursor.RangeAddress.EndRow
    columns = [page.getCellByPosition(at, 0).String for at in range(width + 1)]
    if by:
        sort(page.getCellRangeByPosition(0, 0, width, height), columns.index(by))
    if key:
        keys = [page.getCellByPosition(columns.index("key"), at).String for at in range(height + 1)]
        cell = page.getCellByPosition(columns.index(column), keys.index(key))
        cell.setFormula(text)  # what a person types
    opened.storeToURL(Path(target).as_uri(), filtered(target))
    opened.close(True)


def sort(area, column: int) -> None:
    """Sort whole rows below the header by one column, downwards."""
    import uno

    field = uno.createUnoStruct("com.sun.star.table.TableSortField")
    field.Field, field.IsAscending = column, False
    fields = uno.Any("[]com.sun.star.table.TableSortField", (field,))
    uno.invoke(area, "sort", ((prop("SortFields", fields), prop("ContainsHeader", True)),))


def filtered(path: str):
    """Return how a file of this name is read and written."""
    if path.endswith(".csv"):
        return prop("FilterName", CSV), prop("FilterOptions", OPTIONS)
    return (prop("FilterName", XLSX),)


def prop(name: str, value: object):
    """Return a property as LibreOffice takes it."""
    import uno

    found = uno.createUnoStruct("com.sun.star.beans.PropertyValue")
    found.Name, found.Value = name, value
    return found


if __name__ == "__main__":
    main(sys.argv[1])
