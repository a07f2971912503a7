"""The rows of a table as JSON and as CSV."""

import csv
import io
import json
import re

from monitor.core.table import Table

#: What a spreadsheet would take for a formula; numbers and a lone dash are none.
_FORMULA = re.compile(r"[=@]|[+-](?![\d.,]*$)")


def table_json(table: Table) -> str:
    """A list with an object for each row, in plain ASCII."""
    titles = [column.title for column in table.columns]
    rows = [dict(zip(titles, (cell.text.strip() for cell in row), strict=True)) for row in table.rows]
    named = [{"id": row_id, **row} for row_id, row in zip(table.ids, rows, strict=True)] if table.ids else rows
    return json.dumps(named, indent=2)


def table_csv(table: Table) -> str:
    """A line of titles and one for each row."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.title for column in table.columns)
    for row in table.rows:
        writer.writerow(_harmless(cell.text.strip()) for cell in row)
    return text.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text
