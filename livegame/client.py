"""The game client: finds what is new in a game, has it scored once, and stores it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from db.history import Correction, GameRow, History, PowerPlayRow, ShotRow
from livegame.exceptions import LiveGameError
from livegame.features import FEATURES, shot_features
from livegame.feed import Feed, valid_game_id
from livegame.lock import game_lock
from livegame.model_inputs import ModelInputs, read_feature_map
from livegame.plays import Game
from livegame.question import Questions
from livegame.report import GameReport, game_report
from livegame.settings import Settings
from livegame.situations import power_plays
from xgserve.client import ModelChanged, ServingClient

logger = logging.getLogger("livegame.client")

LOCK_TIMEOUT_S: Final = 20.0
_SWAPS_FOLLOWED: Final = 5


@dataclass(frozen=True, slots=True)
class Ping:
    """What one ping found and did."""

    report: GameReport
    new_shots: pd.DataFrame  # the rows of `report.shots` that this ping saw for the first time
    corrections: tuple[Correction, ...]
    scored: int  # shots that the service was asked for, and answered
    problems: tuple[str, ...] = ()  # what of the feed's answer could not be read
    has_new_problems: bool = False  # whether there are problems, and other ones than at the last ping

    @property
    def changed(self) -> bool:
        """Whether the history holds more, or other, shots and predictions than before."""
        return bool(len(self.new_shots) or self.corrections or self.scored)


class GameClient:
    """Pings games. Any number of clients may share a data folder: threads, processes, containers on one machine."""

    def __init__(
        self,
        feed: Feed,
        serving: ServingClient,
        history: History,
        data_dir: Path,
        feature_map: Mapping[str, str] | None = None,
    ) -> None:
        self._feed = feed
        self._serving = serving
        self._history = history
        self._data_dir = data_dir
        self._feature_map = feature_map or {}

    @classmethod
    def from_settings(cls, settings: Settings) -> "GameClient":
        """A client of the feed and the service that the settings name."""
        return cls(
            Feed(settings.feed_url),
            ServingClient(settings.serving_url),
            History(settings.history_db),
            settings.data_dir,
            read_feature_map(settings.feature_map),
        )

    def ping(self, game_id: str | int) -> Ping:
        """Read the game's whole play-by-play, store what is new or corrected, have every unscored shot scored once.

        The game's lock is held from the reading to the storing, so that an older answer of the feed never overwrites
        a newer one, and no two pings ask for the same shot.

        Raises:
            InvalidGameId, FeedError: the feed gave nothing usable; the history is as it was.
            GameBusy: another ping of this game is at work.
            ServingError: shots are stored but not scored; the next ping asks for them.
            DatabaseError: the history cannot be written.
        """
        number = valid_game_id(game_id)
        with game_lock(self._data_dir, number, LOCK_TIMEOUT_S) as file:
            return self._take(self._feed.game(number), Questions(file))

    def take(self, game: Game) -> Ping:
        """Do with a recorded game what `ping` does with a live one. Raises the same errors but those of the feed."""
        with game_lock(self._data_dir, game.game_id, LOCK_TIMEOUT_S) as file:
            return self._take(game, Questions(file))

    def report(self, game_id: int, model: str | None = None) -> GameReport | None:
        """What the history says of a game, without asking anybody else; None if it was never pinged.

        `model` is the one to report on, if it has scored the game; by default that of the last complete ping.
        """
        return game_report(self._history, game_id, model)

    def _take(self, game: Game, questions: Questions) -> Ping:
        recorded = self._history.record(
            _game_row(game), _shot_rows(game), _power_play_rows(game), unreadable=game.unreadable
        )
        if recorded.has_new_problems:  # once, not with every ping
            logger.warning("game %d, in the feed's answer: %s", game.game_id, "; ".join(game.problems))
        scored = self._score(game, questions)
        report = game_report(self._history, game.game_id)
        assert report is not None, "the game was recorded above"  # noqa: S101
        new = report.shots[report.shots["event_id"].isin(recorded.new)]
        return Ping(report, new, recorded.corrections, scored, game.problems, recorded.has_new_problems)

    def _score(self, game: Game, questions: Questions) -> int:
        scored = 0
        for _ in range(_SWAPS_FOLLOWED):
            model = ModelInputs.of(self._serving.model(), self._feature_map)
            waiting = self._history.unscored(game.game_id, model.model_id, model.population)
            ready = {
                event_id: inputs
                for event_id, features, missing in waiting
                if (missing is None or game.is_over) and (inputs := model.inputs(features)) is not None
            }
            if not ready:
                self._history.store_predictions(game.game_id, model.model_id, model.population, ())
                return scored
            question = questions.next(model.model_id, ready)
            try:
                # refused unless this very model is still loaded: no row is scored for a model that has it already
                prediction = self._serving.predict(
                    model.frame(question.rows), if_match=model.model_id, idempotency_key=question.key
                )
            except ModelChanged:
                continue
            rows = zip(question.rows.items(), prediction.probabilities, strict=True)
            scored += self._history.store_predictions(
                game.game_id,
                prediction.model_id,
                model.population,
                ((event_id, float(p), inputs) for (event_id, inputs), p in rows),
            )
            questions.close(model.model_id)
            if len(question.rows) == len(ready):
                return scored
        raise LiveGameError(
            f"the service's model changed {_SWAPS_FOLLOWED} times while the game was being scored; ping again"
        )


def _game_row(game: Game) -> GameRow:
    return GameRow(
        game_id=game.game_id,
        season=game.season,
        game_type=game.game_type,
        start_time=game.start_time,
        home_id=game.home.team_id,
        home_abbrev=game.home.abbrev,
        home_name=game.home.name,
        home_score=game.home.score,
        away_id=game.away.team_id,
        away_abbrev=game.away.abbrev,
        away_name=game.away.name,
        away_score=game.away.score,
        state=game.state,
        period=game.period,
        period_type=game.period_type,
        seconds_left=game.seconds_left,
        in_intermission=game.in_intermission,
        problems="; ".join(game.problems) or None,
    )


def _shot_rows(game: Game) -> list[ShotRow]:
    shots = {shot.event_id: shot for shot in game.shots}
    frame = shot_features(game)
    rows = []
    for position, (event_id, values) in enumerate(zip(frame.index.tolist(), frame.to_dict("records"), strict=True)):
        shot = shots[event_id]
        rows.append(
            ShotRow(
                event_id=event_id,
                position=position,
                period=shot.period,
                seconds=shot.seconds,
                is_home=values["is_home"] == 1,
                shooter=_name(game, shot.shooter_id),
                goalie=_name(game, shot.goalie_id),
                outcome=shot.kind,
                penalty_shot=shot.is_penalty_shot,
                empty_net=values["empty_net"] == 1,
                features={f.name: _plain(values[f.name], f.kind) for f in FEATURES},
                missing=", ".join(shot.missing) or None,
                shooter_id=shot.shooter_id,
                goalie_id=shot.goalie_id,
            )
        )
    return rows


def _power_play_rows(game: Game) -> list[PowerPlayRow]:
    return [PowerPlayRow(stretch.start, stretch.end, stretch.is_home) for stretch in power_plays(game)]


def _name(game: Game, player_id: int | None) -> str | None:
    player = game.players.get(player_id or 0)
    return player.name if player else None


def _plain(value: Any, kind: str) -> float | int | str | None:
    """A value that JSON can hold and SQLite's JSON functions read back: no NaN, whole numbers as such."""
    if pd.isna(value):
        return None
    return int(value) if kind == "number" and float(value).is_integer() else value
