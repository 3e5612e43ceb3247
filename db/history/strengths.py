"""Sums of finished games by strength, for the league's rates; all functions write inside the caller's transaction."""

import sqlite3
from typing import Final

_SUM_UP: Final = """
    INSERT INTO game_strengths
    SELECT :game_id, model, is_home, strength, sum(seconds), sum(shots), sum(xg), sum(goals)
    FROM (
        SELECT m.model, t.is_home, t.strength, t.seconds, 0 AS shots, 0.0 AS xg, 0 AS goals
        FROM time_by_strength t JOIN game_models m USING (game_id) WHERE game_id = :game_id
        UNION ALL
        SELECT model, is_home, iif(situation = 'other even', strength, situation), 0, 1, probability, is_goal
        FROM shot_probabilities WHERE game_id = :game_id AND probability IS NOT NULL AND status <> 'retracted'
    )
    WHERE EXISTS (SELECT 1 FROM manpower WHERE game_id = :game_id AND situation IS NOT NULL)
        AND EXISTS (SELECT 1 FROM games WHERE game_id = :game_id AND state IN ('over', 'final'))
    GROUP BY model, is_home, strength
"""
_ADD: Final = """
    INSERT INTO strength_totals
    SELECT s.model, season, competition, strength, :sign, :sign * sum(seconds), :sign * sum(shots), :sign * sum(xg),
        :sign * sum(s.goals)
    FROM game_strengths s JOIN games USING (game_id) WHERE game_id = :game_id GROUP BY 1, 2, 3, 4
    ON CONFLICT DO UPDATE SET games = games + excluded.games, seconds = seconds + excluded.seconds,
        shots = shots + excluded.shots, xg = xg + excluded.xg, goals = goals + excluded.goals
"""


def subtract_strengths(connection: sqlite3.Connection, game_id: int) -> None:
    """Subtract a game from the league's sums, and delete its own."""
    connection.execute(_ADD, {"game_id": game_id, "sign": -1})
    connection.execute("DELETE FROM game_strengths WHERE game_id = ?", (game_id,))


def sum_up_strengths(connection: sqlite3.Connection, game_id: int) -> None:
    """Sum up a game again if it has ended and its manpower is known, and update the league's sums."""
    subtract_strengths(connection, game_id)
    connection.execute(_SUM_UP, {"game_id": game_id})
    connection.execute(_ADD, {"game_id": game_id, "sign": 1})
