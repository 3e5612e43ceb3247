"""A game as rows of the history, made once for pings and backfill alike."""

from dataclasses import dataclass

from db.history import GameRow, PowerPlayRow, ShotRow
from livegame.features.features import feature_rows, stored_features
from livegame.features.situations import power_plays
from livegame.plays import Game


@dataclass(frozen=True, slots=True)
class GameRows:
    """One answer of the feed as the history takes it."""

    game: GameRow
    shots: tuple[ShotRow, ...]
    power_plays: tuple[PowerPlayRow, ...] | None  # None: as they were
    is_over: bool  # no more input will come for a shot that lacks some
    problems: tuple[str, ...]  # what of the answer could not be read
    unreadable: frozenset[int] | None  # see `Game`
    events: frozenset[int]  # event ids of all plays, whether they could be read or not
    digest: str | None = None  # of the answer's bytes
    tells_clock: bool = True  # see `Game`
    stale_at: str | None = None  # until when the feed has nothing newer, by its own word


def game_rows(game: Game, digest: str | None = None, stale_at: str | None = None) -> GameRows:
    """The rows of a game; `digest` is that of the bytes which it was read from, where there are any."""
    return GameRows(
        _game_row(game),
        tuple(_shot_rows(game)),
        tuple(PowerPlayRow(stretch.start, stretch.end, stretch.is_home) for stretch in power_plays(game)),
        game.is_over,
        game.problems,
        game.unreadable,
        game.event_ids,
        digest,
        game.tells_clock,
        stale_at,
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
        game_date=game.date,
        problems="; ".join(game.problems) or None,
        start_is_known=game.start_is_known,
        overtime_seconds=game.overtime_seconds,
        has_end=game.has_end,
        time_stamp=game.time_stamp,
    )


def _shot_rows(game: Game) -> list[ShotRow]:
    rows = []
    for position, (shot, values) in enumerate(feature_rows(game)):
        features = stored_features(values)
        rows.append(
            ShotRow(
                event_id=shot.event_id,
                position=position,
                period=shot.period,
                seconds=shot.seconds,
                is_home=features["is_home"] == 1,
                shooter=_name(game, shot.shooter_id),
                goalie=_name(game, shot.goalie_id),
                outcome=shot.kind,
                penalty_shot=shot.is_penalty_shot,
                empty_net=features["empty_net"] == 1,
                features=features,
                missing=", ".join(shot.missing) or None,
                shooter_id=shot.shooter_id,
                goalie_id=shot.goalie_id,
            )
        )
    return rows


def _name(game: Game, player_id: int | None) -> str | None:
    """A player's name; of one who is not on the roster, or not yet, the league's number."""
    if not player_id:
        return None
    player = game.players.get(player_id)
    return player.name if player else f"Player {player_id}"
