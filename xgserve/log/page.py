"""The log as an HTML page: a form to filter it, a table with the newest row first, a link to older rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from bottle import SimpleTemplate

from xgserve.contract import LEVELS, LogRow

_PAGE = SimpleTemplate(Path(__file__).with_suffix(".tpl").read_text(encoding="utf-8"))  # escapes values in {{...}}


def render(rows: Sequence[LogRow], asked: Mapping[str, str], next_before: int | None) -> str:
    """Return the page with these rows; `asked` are the parameters of the request."""
    older = _link({**asked, "before": str(next_before)}) if next_before is not None else None
    return str(_PAGE.render(rows=rows, asked=dict(asked), older=older, levels=LEVELS, link=_link))


def _link(parameters: Mapping[str, str]) -> str:
    return "/logs?" + urlencode(parameters).replace("&", "&amp;")
