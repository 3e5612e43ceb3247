"""Compare our xG with published xG on exactly the same shots."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from training.errors import TableUnusable
from training.evaluation import Probabilities, bootstrap_by_game, log_losses, scores

_KINDS: Final = {"SHOT": "shot-on-goal", "GOAL": "goal", "MISSED_SHOT": "missed-shot"}
_OTHER_NAMES: Final = {"period_seconds": "seconds", "event_type": "kind"}
_KEY: Final = ["game_id", "period", "seconds", "kind"]


def read_published(path: Path) -> pd.DataFrame:
    """Read a CSV of xG values, one row per shot.

    It needs the columns `game_id`, `period`, `seconds` (or `period_seconds`), `kind` (or `event_type`, in the league's
    old or new spelling) and `xg`. Rows without xG, of other kinds or of shootouts are left out.

    Raises:
        TableUnusable: it cannot be read, or lacks a column.
    """
    try:
        table = pd.read_csv(path, low_memory=False)
    except (OSError, ValueError) as error:
        raise TableUnusable(f"{path} cannot be read as CSV: {error}") from error
    table = table.rename(columns={old: new for old, new in _OTHER_NAMES.items() if new not in table})
    missing = [name for name in (*_KEY, "xg") if name not in table]
    if missing:
        raise TableUnusable(f"{path} has no column {', '.join(missing)}")
    if "period_type" in table:
        table = table[table["period_type"] != "SHOOTOUT"]
    table["kind"] = table["kind"].replace(_KINDS)
    return table.loc[table["kind"].isin(_KINDS.values()) & table["xg"].notna(), [*_KEY, "xg"]]


def join_published(frame: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a training frame that are also in the published table, with its xG in the column `theirs`.

    Shots are matched by game, period, second and kind, in order where several share all four: event ids differ between
    sources.
    """
    ours = frame.assign(seconds=frame["period_seconds"], row=np.arange(len(frame)))
    ours["nth"] = ours.groupby(_KEY).cumcount()
    theirs = published.rename(columns={"xg": "theirs"})
    theirs["nth"] = theirs.groupby(_KEY).cumcount()
    return ours.merge(theirs, on=[*_KEY, "nth"]).sort_values("row", ignore_index=True)


def compare_with_published(joined: pd.DataFrame, ours: Probabilities) -> dict[str, Any]:
    """Return the scores of both on the same rows, and how much lower our log loss is, with a 95 % interval by game."""
    theirs = joined["theirs"].to_numpy(dtype=float)
    gain = log_losses(joined["is_goal"], theirs) - log_losses(joined["is_goal"], ours)
    return {
        "ours": scores(joined["is_goal"], ours),
        "theirs": scores(joined["is_goal"], theirs),
        "gain": float(gain.mean()),
        "interval": bootstrap_by_game(gain, joined["game_id"]),
    }
