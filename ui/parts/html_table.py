"""A small table as HTML: readable by a screen reader, right-aligned numbers, fewer columns where there is no room."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

import streamlit as st

Kind = Literal["", "total", "part", "beside"]  # of a row: part of the row above, or not in the total
_ROW: Final = {"": "", "total": "xg-total", "part": "xg-part", "beside": "xg-not-counted"}


class Html(str):
    """Text that is HTML already; any other text of a cell is escaped."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    is_number: bool = True
    is_wide: bool = False  # left out where there is no room for it
    help: str = ""
    begins_group: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table."""

    cells: Sequence[str]
    kind: Kind = ""


def draw_table(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    groups: Sequence[tuple[str, int]] = (),
    *,
    is_tall: bool = False,
) -> None:
    """Draw a table; `name` is what a screen reader says of it. See `html_table`."""
    st.html(html_table(name, columns, rows, groups, is_tall=is_tall))


def html_table(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    groups: Sequence[tuple[str, int]] = (),
    *,
    is_tall: bool = False,
) -> str:
    """Return a table as HTML.

    Args:
        name: what it shows.
        columns: its columns, the first one without numbers of which names the rows.
        rows: its rows, each with one cell per column; empty cells stay blank.
        groups: titles over the columns, each with the number of columns that it covers.
        is_tall: whether it is long, and scrolls in a frame of fixed height.
    """
    head = f"<tr>{''.join(_groups(columns, groups))}</tr>" if groups else ""
    titles = "".join(_title(column) for column in columns)
    body = "".join(_row(columns, row) for row in rows)
    label = f'aria-label="{escape(name)}"'
    # a frame that scrolls must be reachable by keyboard; others would only be further stops
    frame = f'class="xg-table-frame xg-tall" tabindex="0" role="group" {label}' if is_tall else 'class="xg-table-frame"'
    return (
        f'<div {frame}><table class="xg-table" {label}><thead>{head}<tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def swatch(colour: str) -> Html:
    """Return a mark in a team's colour, to stand before its name."""
    return Html(f'<i class="xg-swatch" style="background: {escape(colour)}" aria-hidden="true"></i>')


def team_mark(colour: str, abbrev: str) -> Html:
    """Return a team's abbreviation with the mark in its colour, on one line."""
    return joined(Html('<span class="xg-together">'), swatch(colour), abbrev, Html("</span>"))


def joined(*parts: str) -> Html:
    """Return parts of a cell as one, each escaped unless it is HTML."""
    return Html("".join(map(_text, parts)))


def _text(cell: str) -> str:
    return cell if isinstance(cell, Html) else escape(cell)


def _groups(columns: Sequence[Column], groups: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield each group's title twice: over all its columns, and over those that are left where there is no room."""
    first = 0
    for title, span in groups:
        narrow = sum(not column.is_wide for column in columns[first : first + span])
        begins = " xg-begins" if columns[first].begins_group else ""
        tag = "th" if title else "td"
        scope = ' scope="colgroup"' if title else ""
        for name, covered in (("xg-wide", span), ("xg-narrow", narrow)):
            yield f'<{tag}{scope} colspan="{covered}" class="xg-group {name}{begins}">{_text(title)}</{tag}>'
        first += span


def _classes(column: Column) -> str:
    names = [
        *(["xg-number"] if column.is_number else []),
        *(["xg-wide"] if column.is_wide else []),
        *(["xg-begins"] if column.begins_group else []),
    ]
    return f' class="{" ".join(names)}"' if names else ""


def _title(column: Column) -> str:
    hint = f' title="{escape(column.help)}"' if column.help else ""
    return f'<th scope="col"{_classes(column)}{hint}>{_text(column.title)}</th>'


def _row(columns: Sequence[Column], row: Row) -> str:
    names = next((number for number, column in enumerate(columns) if not column.is_number), 0)
    cells = []
    for number, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
        tag, scope = ("th", ' scope="row"') if number == names else ("td", "")
        cells.append(f"<{tag}{scope}{_classes(column)}>{_text(cell)}</{tag}>")
    name = f' class="{_ROW[row.kind]}"' if row.kind else ""
    return f"<tr{name}>{''.join(cells)}</tr>"
