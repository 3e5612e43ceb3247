"""Recorded games through the whole client: both feeds, every stage of a game, every correction on record."""

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from db.history import Recorded
from livegame.client import GameClient
from livegame.errors import FeedMalformed
from livegame.features.features import FEATURE_NAMES
from livegame.features.frames import shot_features
from livegame.parsing.parse import parse_game
from livegame.parsing.statsapi import apply_diff_patch
from livegame.plays import Game, Team
from livegame.recordings.files import find_recordings, read_recording
from tests.conftest import Service
from tests.games import FeedServer
from tests.helpers import make_client, record, reported, statuses

pytestmark = pytest.mark.recordings


def read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def from_season(recordings: Path, season: str, game_id: int) -> Game:
    with lzma.open(recordings / "seasons" / f"{season}.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            if f'"id":{game_id},' in line[:40].replace(" ", ""):
                return parse_game(json.loads(line))
    raise AssertionError(f"{game_id} is not in {season}")


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


def show_and_ping(client: GameClient, feed: FeedServer, game_id: int, answer: Any) -> Recorded:
    feed.answer(f"/v1/gamecenter/{game_id}/play-by-play", json.dumps(answer).encode())
    return client.ping(game_id)


def goals_and_score(game: Game) -> tuple[list[int], list[int]]:
    """Goals counted from the shots, and the final score without the goal that a shootout win adds."""
    counted = [sum(shot.is_goal for shot in game.shots if shot.team_id == t.team_id) for t in (game.away, game.home)]
    score = [game.away.score, game.home.score]
    if game.period_type == "SO":
        score[score.index(max(score))] -= 1
    return counted, score


def test_every_recorded_game_is_pinged_without_loss(
    client: GameClient, feed: FeedServer, service: Service, recordings: Path
) -> None:
    shots = 0
    for game_id, path in sorted(find_recordings(recordings / "games").items()):
        if path.parent == recordings / "games" / "legacy" or path.parent == recordings / "games" / "new":
            ping = show_and_ping(client, feed, game_id, read(path))
            game = read_recording(path)
            assert ping.scored == len(game.shots) > 50, path.name
            report = reported(client, ping)
            assert report.pending == 0, path.name
            counted, score = goals_and_score(game)
            assert counted == score == [report.away.counted.goals, report.home.counted.goals], path.name
            shots += ping.scored
            assert not show_and_ping(client, feed, game_id, read(path)).changed, path.name
    assert service.rows_scored() == shots > 1500


# Where the two feeds must differ: the legacy feed has no type for a missed shot and does not show a pulled goalie, and
# plays in the same second have another order.
SHAPES = {2019020007: ("2019-20", 18, {497}), 2022020799: ("2022-23", 18, {10}), 2022030236: ("2022-23", 35, {449})}
PREVIOUS = [n for n in FEATURE_NAMES if n.startswith("prev_")] + ["rebound", "angle_change", "speed"]
MANPOWER = ["friendly_skaters", "opposing_skaters", "strength_state", "empty_net", "extra_attacker"]


@pytest.mark.parametrize("game_id", SHAPES)
def test_game_in_both_feeds_has_the_same_shots_and_features(recordings: Path, game_id: int) -> None:
    season, untyped, tied = SHAPES[game_id]
    legacy, present = (
        read_recording(recordings / f"games/legacy/{game_id}.json.gz"),
        from_season(recordings, season, game_id),
    )
    assert [(s.event_id, s.kind, s.seconds, s.team_id, s.x, s.y, s.shooter_id) for s in legacy.shots] == [
        (s.event_id, s.kind, s.seconds, s.team_id, s.x, s.y, s.shooter_id) for s in present.shots
    ]
    one, other = shot_features(legacy), shot_features(present)
    same = (one == other) | (one.isna() & other.isna())
    differing = {name: set(one.index[~same[name]]) for name in FEATURE_NAMES if not same[name].all()}
    missed = {shot.event_id for shot in legacy.shots if shot.kind == "missed-shot"}
    untyped_shots = differing.pop("shot_type")
    assert (untyped_shots <= missed, len(untyped_shots)) == (True, untyped)
    assert set().union(*(differing.pop(name, set()) for name in PREVIOUS)) == tied
    odd = set().union(*(differing.pop(name, set()) for name in MANPOWER))
    goalie_out = set(other.index[(other["extra_attacker"] == 1) | (other["empty_net"] == 1)])
    expiry = {235} if game_id == 2022020799 else set()  # a shot in the second in which a penalty ends
    assert odd <= goalie_out | expiry
    assert set(differing.pop("power_play_seconds", set())) <= expiry
    assert differing == {}


def test_recorded_game_is_pinged_before_during_and_after_play(
    client: GameClient, feed: FeedServer, service: Service, recordings: Path
) -> None:
    folder = recordings / "live" / "legacy_2022020804"
    before = reported(client, show_and_ping(client, feed, 2022020804, read(next(folder.glob("Preview*")))))
    assert (before.status, len(before.shots)) == ("Not started", 0)

    ping = show_and_ping(client, feed, 2022020804, read(next(folder.glob("Live*"))))
    during = reported(client, ping)
    assert during.status == "Period 2 - 11:33 left"
    assert (during.away.counted.goals, during.home.counted.goals) == (3, 1)
    # one of the 40 shots is so recent that the feed has no type for it yet
    assert (ping.scored, during.pending, statuses(client, ping)[454]) == (39, 1, "pending")

    ping = show_and_ping(client, feed, 2022020804, read(recordings / "games" / "new" / "2022020804.json.gz"))
    final = reported(client, ping)
    assert final.status == "Final (OT)"
    assert (final.away.counted.goals, final.home.counted.goals) == (4, 3)
    first = during.shots.set_index("event_id")["probability"].dropna()
    last = final.shots.set_index("event_id")["probability"]
    assert last[first.index].equals(first)  # the first prediction stands, whatever was corrected
    assert service.rows_scored() == len(final.shots)
    assert {c.what for c in ping.corrections} <= {"amended", "outcome"}


def test_recorded_intermission_has_its_status_line(client: GameClient, feed: FeedServer, recordings: Path) -> None:
    path = next((recordings / "live" / "legacy_2019020611").glob("Live*"))
    status = reported(client, show_and_ping(client, feed, 2019020611, read(path))).status
    assert status.startswith("Intermission after period 2")


def test_game_fetched_again_is_amended_and_scores_nothing_twice(
    client: GameClient, feed: FeedServer, service: Service, recordings: Path
) -> None:
    ping = show_and_ping(client, feed, 2022030411, read(recordings / "games" / "new" / "2022030411.json.gz"))
    first = reported(client, ping)
    total = first.home.counted.xg + first.away.counted.xg
    for path in sorted((recordings / "refetched" / "2022030411").iterdir()):
        ping = show_and_ping(client, feed, 2022030411, read(path))
        report = reported(client, ping)
        assert report.home.counted.xg + report.away.counted.xg == pytest.approx(total, abs=1e-9)
    assert service.rows_scored() == len(first.shots)


# --- diffPatch ----------------------------------------------------------------------------------------------------


def legacy_feed_at(game: Game, time_stamp: str, entries: int, seconds: int) -> dict[str, Any]:
    """The legacy feed as it stood `seconds` into the third period, with `entries` plays in its list.

    Only the steps of that evening are on record, so the game they apply to is made from the present feed's final
    answer. The legacy list holds a few more entries, such as PERIOD_READY; fillers in front stand for them.
    """
    names = {"shot-on-goal": "SHOT", "missed-shot": "MISSED_SHOT", "blocked-shot": "BLOCKED_SHOT", "stoppage": "STOP"}
    plays: list[dict[str, Any]] = []
    for play in game.plays:
        if (play.period, play.seconds) < (3, seconds) and play.kind != "delayed-penalty":
            result = {"eventTypeId": names.get(play.kind, play.kind.upper().replace("-", "_"))}
            about = {"eventId": play.event_id, "period": play.period, "periodType": "REGULAR"}
            about |= {"periodTime": f"{play.seconds // 60:02d}:{play.seconds % 60:02d}"}
            place = {"x": play.x, "y": play.y} if play.x is not None else {}
            team = {"team": {"id": play.team_id}} if play.team_id else {}
            result |= {"secondaryType": "Wrist Shot"} if play.kind in ("goal", "shot-on-goal") else {}
            plays.append({"result": result, "about": about, "coordinates": place, **team})
    filler = {"result": {"eventTypeId": "PERIOD_READY"}, "about": {}, "coordinates": {}}
    assert len(plays) <= entries

    def side(team: Team) -> dict[str, Any]:
        return {"id": team.team_id, "triCode": team.abbrev, "name": team.name}

    skaters = {"goals": 0, "shotsOnGoal": 0, "goaliePulled": False, "numSkaters": 5}
    goals = {"goals": 0, "shotsOnGoal": 0}
    return {
        "gamePk": game.game_id,
        "metaData": {"timeStamp": time_stamp},
        "gameData": {
            "game": {"season": str(game.season), "type": "R"},
            "datetime": {"dateTime": game.start_time},
            "status": {"abstractGameState": "Live", "statusCode": "3"},
            "teams": {"home": side(game.home), "away": side(game.away)},
            "players": {},
        },
        "liveData": {
            "plays": {"allPlays": [filler] * (entries - len(plays)) + plays},
            "linescore": {
                "currentPeriod": 3,
                "currentPeriodTimeRemaining": "03:44",
                "periods": [{"num": n, "periodType": "REGULAR", "home": goals, "away": goals} for n in (1, 2, 3)],
                "teams": {"home": skaters, "away": skaters},
                "powerPlayInfo": {"situationTimeRemaining": 0, "situationTimeElapsed": 0},
                "intermissionInfo": {
                    "inIntermission": False,
                    "intermissionTimeRemaining": 0,
                    "intermissionTimeElapsed": 0,
                },
            },
        },
    }


def test_recorded_diff_patches_add_shots_once_and_correct_a_goal(
    client: GameClient, service: Service, recordings: Path
) -> None:
    game = read_recording(recordings / "games" / "new" / "2019020311.json.gz")
    feed = legacy_feed_at(game, "20191117_052854", 266, seconds=16 * 60 + 16)
    seen = {*reported(client, record(client, parse_game(feed))).shots["event_id"]}
    before = len(seen)
    corrections: list[tuple[int, str]] = []
    lines: list[str] = []
    for path in sorted((recordings / "diffpatch").iterdir()):
        answer = read(path)
        try:
            apply_diff_patch(feed, answer)
        except FeedMalformed:  # three minutes are not on record: a client then fetches the whole feed
            lines.append(path.name)
            feed = legacy_feed_at(game, "20191117_053535", 281, seconds=18 * 60 + 59)
        for step in answer:
            feed = apply_diff_patch(feed, [step])
            ping = record(client, parse_game(feed))
            seen |= {*reported(client, ping).shots["event_id"]}
            corrections += [(c.event_id, c.what) for c in ping.corrections]
    assert lines == ["2019020311_20191117_053535.json.gz"]
    assert {583, 587, 588, 591, 592} <= seen
    assert service.rows_scored() == len(seen) > before
    assert (583, "amended") in corrections  # the goal of 17:23 was moved from (-80, -17) to (-83, -10)
    assert reported(client, ping).status.startswith("Intermission after period 3")
    assert reported(client, ping).pending == 0
