"""The chances of a game that are worth a line: the newest while it is played, the biggest once it is over."""

import pandas as pd

from livegame.reports.game import GameReport


def newest(report: GameReport, most: int) -> pd.DataFrame:
    """Return the newest attempts that count, rows of `GameReport.present`, the newest first."""
    return report.counted.iloc[::-1].head(most)


def biggest(report: GameReport, most: int) -> pd.DataFrame:
    """Return the attempts that count with the most xG, rows of `GameReport.present`, the biggest first."""
    rated = report.counted.dropna(subset=["probability"])
    return rated.sort_values("probability", ascending=False, kind="stable").head(most)
