"""A game as rows of the history, made the same way for pings and backfill."""

from collections.abc import Iterator

import msgspec

from db.history import BlockedRow, GameRow, GameUpdate, ShotRow
from livegame.features.blocked import placed_blocks
from livegame.features.features import feature_rows, stored_features
from livegame.features.manpower import manpower
from livegame.features.situations import strength_state
from livegame.plays import Game

Clock = tuple[int, bool, int]  # period, whether it is over, minus the seconds left: later is greater


class SeenPlays(msgspec.Struct, array_like=True):
    """The plays that the feed has shown of a game so far: the column `events` of the history, as JSON."""

    present: frozenset[int]  # event ids, including unreadable plays
    gone: frozenset[int] = frozenset()  # event ids that only earlier answers had
    clock: Clock | None = None  # the last certain one; None if there was none

    def as_json(self) -> str:
        """Return JSON with sorted ids."""
        return msgspec.json.encode((sorted(self.present), sorted(self.gone), self.clock)).decode()


def game_update(game: Game, digest: str | None = None, stale_at: str | None = None) -> GameUpdate:
    """Return the rows of a game; `digest` is the SHA-256 of the bytes that it was read from, if any."""
    return GameUpdate(
        _game_row(game),
        tuple(_shot_rows(game)),
        manpower(game),
        game.unreadable,
        stale_at=stale_at,
        problems=game.problems,
        digest=digest,
        blocked=tuple(_blocked_rows(game)),
    )


def _game_row(game: Game) -> GameRow:
    clock = (game.period, game.in_intermission, -game.seconds_left)
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
        events=SeenPlays(game.event_ids, clock=clock if game.clock_is_known else None).as_json(),
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
                reason=shot.reason,
            )
        )
    return rows


def _blocked_rows(game: Game) -> Iterator[BlockedRow]:
    for blocked, x, y in placed_blocks(game):
        is_home = blocked.team_id == game.home.team_id
        yield BlockedRow(
            event_id=blocked.event_id,
            period=blocked.period,
            seconds=blocked.seconds,
            is_home=is_home,
            shooter_id=blocked.shooter_id,
            shooter=_name(game, blocked.shooter_id),
            blocker_id=blocked.blocker_id,
            blocker=_name(game, blocked.blocker_id),
            by_teammate=blocked.by_teammate,
            x=x,
            y=y,
            code=blocked.situation,
            strength=strength_state(blocked.situation, is_home=is_home),
        )


def _name(game: Game, player_id: int | None) -> str | None:
    """Return a player's name; the league's number if he is not on the roster yet."""
    if not player_id:
        return None
    player = game.players.get(player_id)
    return player.name if player else f"Player {player_id}"
