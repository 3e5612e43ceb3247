"""The filter of the shot map: which shots it shows, by team, period, strength and player."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd
import streamlit as st

from livegame.reports.game import GameReport
from ui.words import count, period_name, strength_name, strengths_in_order


@dataclass(frozen=True, slots=True)
class ShotFilter:
    """Which shots to show; an empty field filters nothing."""

    teams: tuple[str, ...] = ()
    periods: tuple[int, ...] = ()
    strengths: tuple[str, ...] = ()
    players: tuple[int, ...] = ()  # the league's ids, since two players may share a name
    goals_only: bool = False
    blocked: bool = False  # show blocked attempts as well

    def of(self, shots: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the report's shots that pass."""
        columns = {"team": self.teams, "period": self.periods, "strength": self.strengths, "shooter_id": self.players}
        for column, wanted in columns.items():
            if wanted:
                shots = shots[shots[column].isin(wanted)]
        return shots[shots["outcome"] == "goal"] if self.goals_only else shots

    def words(self) -> list[str]:
        """Return what the filter is set to, in short."""
        return [
            *self.teams,
            *map(period_name, self.periods),
            *map(strength_name, self.strengths),
            *([count(len(self.players), "player")] if self.players else []),
            *(["goals"] if self.goals_only else []),
            *(["blocked"] if self.blocked else []),
        ]


def filter_set(game_id: int) -> ShotFilter:
    """Return what the reader has set, before the fields are drawn."""
    kept = {field.name: st.session_state.get(f"filter_{game_id}_{field.name}") for field in fields(ShotFilter)}
    chosen: dict[str, Any] = {name: value if value is True else tuple(value) for name, value in kept.items() if value}
    return ShotFilter(**chosen)


def choose_filter(report: GameReport) -> ShotFilter:
    """Draw the filter's fields; return what they are set to."""
    shots, key = report.present, f"filter_{report.game_id}"
    names = player_names(shots)

    def pills(label: str, name: str, options: Sequence[Any], text: Callable[[Any], str] = str) -> tuple[Any, ...]:
        chosen = st.pills(label, options, selection_mode="multi", format_func=text, key=f"{key}_{name}")
        return tuple(chosen)

    return ShotFilter(
        teams=pills("Team", "teams", [report.away.abbrev, report.home.abbrev]),
        periods=pills("Period", "periods", sorted(shots["period"].unique().tolist()), period_name),
        strengths=pills("Strength", "strengths", strengths_in_order(shots["strength"].unique()), strength_name),
        players=tuple(
            st.multiselect(
                "Player", list(names), format_func=names.__getitem__, key=f"{key}_players", placeholder="All"
            )
        ),
        goals_only=st.toggle("Goals only", key=f"{key}_goals_only"),
        blocked=st.toggle(
            "Blocked attempts",
            key=f"{key}_blocked",
            help="Where they were blocked. No model rates them: the league does not report where they were taken.",
        ),
    )


def player_names(shots: pd.DataFrame) -> dict[int, str]:
    """Return the shooters' names and teams by the league's id; where two share both, the id is added."""
    shooters = shots.dropna(subset=["shooter_id"]).drop_duplicates("shooter_id").sort_values(["shooter", "team"])
    found = zip(shooters["shooter_id"], shooters["shooter"].fillna("Player"), shooters["team"], strict=True)
    names = {int(player): (f"{name} ({team}", int(player)) for player, name, team in found}
    shared = Counter(name for name, _ in names.values())
    return {player: f"{name}, {player})" if shared[name] > 1 else f"{name})" for player, (name, _) in names.items()}
