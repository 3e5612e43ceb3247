"""The league of the simulation: what it holds true, what its feed answers, and what a ping can know of that."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from livegame.errors import FeedMalformed, FeedUnavailable, GameNotFound
from livegame.features.rows import game_update
from livegame.feed import Feed
from livegame.parsing.parse import parse_game
from livegame.plays import Game, GameState
from livegame.staleness import believed
from tests.games import wsgi_server
from tests.helpers import fetched
from tests.simulation.events import Fault
from tests.simulation.league import FAULTS, UNUSABLE, Caching, League, as_answer, spoiled
from tests.simulation.sheet import FRAME
from tests.simulation.staleness import Believed, clock
from tests.simulation.truth import GamePlan, Version, is_recognizable, versions

GAME = 2025020001
SEEDS = range(40)


def fault(kind: str, target: str = str(GAME), seconds: float = 0.0) -> Fault:
    return Fault(0.0, kind, target, 1, seconds)


@cache
def made(seed: int) -> tuple[Version, ...]:
    return versions(GamePlan(GAME + seed % 10, "made", 60.0, 300.0, seed))


def a_league(now: Callable[[], float], seed: int = 1, source: str = "made", **more: Any) -> League:
    return League(Random(seed), (GamePlan(GAME, source, 60.0, 300.0, seed),), now, **more)


@contextmanager
def served(
    seed: int = 1, source: str = "made", **more: Any
) -> Iterator[tuple[League, list[float], Callable[[], Game]]]:
    """Yield a league, its clock, and what a new feed shows of its game."""
    now = [0.0]
    league = a_league(lambda: now[0], seed, source, **more)
    league.caching[GAME] = Caching()
    with wsgi_server(league.app) as url:
        yield league, now, lambda: fetched(Feed(url), GAME)


def test_every_version_is_what_its_answer_says() -> None:
    for seed in SEEDS:
        for version in made(seed):
            assert parse_game(as_answer(version)) == version.game


@pytest.mark.parametrize("source", ["made", "sample"])
def test_feed_shows_each_version_from_its_time_on_and_the_final_one_after_the_end(source: str) -> None:
    with served(seed=3, source=source) as (league, now, shown):
        for version in league.versions(GAME)[:: 1 if source == "made" else 9]:
            now[0] = version.at_s
            assert shown() == league.truth(GAME, version.at_s).game == version.game
        now[0] = 100.0
        assert shown() != league.final(GAME).game
        league.end()
        assert shown() == league.final(GAME).game


@pytest.mark.recordings
def test_versions_of_recorded_games_are_what_their_answers_say(
    recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XG_RECORDINGS", str(recordings))
    corrected = 0
    for seed in range(14):
        every = versions(GamePlan(GAME, "recorded", 60.0, 300.0, seed))
        corrected += every[-1].what == "as it was recorded later"
        for version in every[::10] + every[-2:]:
            shown = parse_game(as_answer(version))
            assert replace(shown, problems=()) == version.game
    assert corrected


def test_one_feed_that_keeps_its_answers_shows_the_truth() -> None:
    with served(seed=2) as (league, now, _), wsgi_server(league.app) as url:
        feed = Feed(url)
        for version in league.versions(GAME):
            for now[0] in (version.at_s, version.at_s + 0.01):
                assert fetched(feed, GAME) == version.game
        assert {answer.status for answer in league.answers} == {200, 304}


def test_games_are_whole_in_the_end_and_their_times_rise() -> None:
    for seed in SEEDS:
        every = made(seed)
        assert all(before.at_s < after.at_s for before, after in pairwise(every))
        assert every[-1].game.state is GameState.FINAL
        assert every[-1].game.has_end
        assert parse_game(as_answer(every[-1])).problems == ()
        played = [version for version in every if version.code not in ("FUT", "PRE")]
        assert played[0].at_s == 60.0
        assert played[-1].at_s == pytest.approx(360.0)
    assert {version.game.period_type for seed in SEEDS for version in made(seed)} == {"REG", "OT", "SO"}


def test_all_kinds_of_corrections_happen() -> None:
    words = Counter(word for seed in range(150) for version in made(seed) for word in version.what.split()[:2])
    wanted = {"removed", "restored", "goal", "moved", "swapped", "hit", "false", "clock", "postponed", "came"}
    texts = " ".join(version.what for seed in range(150) for version in made(seed))
    for text in (*wanted, "is a goal", "given again", "is a missed-shot", "is a blocked-shot", "is by player"):
        assert text in texts, words


def test_rows_of_different_shots_differ() -> None:
    for seed in SEEDS[:10]:
        places: dict[tuple[float, float], int] = {}
        for version in made(seed):
            for shot in game_update(version.game).shots:
                x, y = shot.features["x"], shot.features["y"]
                if isinstance(x, int | float) and isinstance(y, int | float):
                    assert places.setdefault((abs(x), abs(y)), shot.event_id) == shot.event_id


def test_same_seed_makes_the_same_league() -> None:
    one, two = (a_league(lambda: 0.0, seed=5) for _ in range(2))
    assert one.versions(GAME) == two.versions(GAME)
    assert one.versions(GAME) != a_league(lambda: 0.0, seed=6).versions(GAME)


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_spoils_its_answers_and_no_other(kind: str) -> None:
    errors = {"404": GameNotFound, "cut": FeedMalformed, "HTML": FeedMalformed, "429": FeedUnavailable}
    with served(seed=4) as (league, now, shown):
        now[0] = 250.0
        true = league.truth(GAME, now[0]).game
        league.arm(fault(kind, seconds=0.0 if kind == "slow" else 60.0))
        if kind in errors:
            with pytest.raises(errors[kind]):
                shown()
        elif kind == "stale":
            assert shown() == league.truth(GAME, 190.0).game != true
        elif kind == "slow" or kind in UNUSABLE:  # a server's error is not the end: the client tries again
            assert shown() == true
        else:
            assert shown() != true
        assert league.answers[0].spoiled == kind
        assert shown() == true
        assert not any(answer.spoiled for answer in league.answers[1:])


def test_fault_of_one_game_leaves_the_list_and_the_end_alone() -> None:
    effects: list[tuple[str, str]] = []
    with (
        served(seed=4, took_effect=lambda *effect: effects.append(effect)) as (league, now, shown),
        wsgi_server(league.app) as url,
    ):
        now[0] = 150.0
        league.arm(fault("429", seconds=7))
        assert effects == []
        (listed,) = Feed(url).day().games
        assert (listed.game_id, listed.state) == (GAME, league.truth(GAME, 150.0).game.state)
        with pytest.raises(FeedUnavailable, match="wait 7 s"):
            shown()
        assert effects == [("429", str(GAME))]
        league.arm(fault("HTML", target="score"))
        with pytest.raises(FeedMalformed):
            Feed(url).day()
        league.arm(fault("404"))
        league.end()
        assert shown() == league.final(GAME).game


def test_stored_game_agrees_with_its_own_version() -> None:
    for seed in SEEDS[:3]:
        league = League(Random(seed), (GamePlan(GAME, "made", 60.0, 300.0, seed),), lambda: 0.0)
        for version in league.versions(GAME):
            update = game_update(version.game)
            shots = [asdict(shot) | {"retracted_at": None} for shot in update.shots]
            assert version.number in league.agreeing(asdict(update.game), shots)
            gone = [shot | {"retracted_at": "now"} for shot in shots[:1]] + shots[1:]
            assert (version.number in league.agreeing(asdict(update.game), gone)) is (not shots)


def test_product_recognizes_old_answers_exactly_where_the_documented_rules_say_so() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in SEEDS[:20]:
        random, every = Random(seed), made(seed)
        believed_now, row = Believed(), None
        for number in range(len(every)):
            version = every[max(number - random.choice((0, 0, 1, 2, 3, 6, 20)), 0)]
            kinds = ("empty", "short", "PRE", "FINAL", "no clock", "unreadable", "no id", "twice")
            broken = fault(random.choice(kinds), seconds=random.randint(0, 14)) if random.random() < 0.3 else None
            shown = parse_game(spoiled(as_answer(version), broken) if broken else as_answer(version))
            update = believed(game_update(shown), row)
            must_be_accepted = believed_now.accept(shown)
            verdicts[must_be_accepted] += 1
            assert (update is not None) is must_be_accepted, (seed, number, version.number, broken)
            row = asdict(update.game) if update else row
    assert min(verdicts.values()) > 80


def test_version_before_the_last_play_is_recognizable_unless_the_clock_was_set_back() -> None:
    for seed in SEEDS[:20]:
        for older, newer in pairwise(v for v in made(seed) if v.code in ("LIVE", "CRIT") and v.game.plays):
            runs_on = clock(older.game) < clock(newer.game)
            assert is_recognizable(older, newer, older.event_ids) is runs_on
            assert not is_recognizable(newer, older, frozenset()) or clock(newer.game) < clock(older.game)


def test_what_an_answer_showed_is_found_by_its_digest() -> None:
    with served(seed=4) as (league, now, shown):
        now[0] = 250.0
        league.arm(fault("short", seconds=2))
        for found in (shown(), shown()):
            digest = league.answers[-1 if found == league.truth(GAME, 250.0).game else 0].digest
            assert digest is not None
            assert league.shown(digest) == found
        assert league.shown("none") is None


def test_frame_of_a_game_is_never_corrected() -> None:
    for seed in SEEDS:
        every = made(seed)
        for before, after in pairwise(every):
            frames = [{p.event_id: p for p in v.game.plays if p.kind in FRAME} for v in (before, after)]
            assert frames[0].items() <= frames[1].items()


def ask(league: League, etag: str = "") -> tuple[str, dict[str, str], bytes]:
    began: list[Any] = []
    environ: Any = {"PATH_INFO": f"/v1/gamecenter/{GAME}/play-by-play", "HTTP_IF_NONE_MATCH": etag}
    (body,) = league.app(environ, lambda status, headers, *_: began.extend((status, dict(headers))))  # type: ignore[arg-type]
    return began[0], began[1], body


def test_cached_answers_stay_the_same_for_as_long_as_they_say() -> None:
    ways = set()
    for seed in range(30):
        now = [0.0]
        league = a_league(lambda now=now: now[0], seed)  # type: ignore[misc]
        ways.add(league.caching[GAME])
        answers = []
        for now[0] in (100.0, 104.9, 105.0, 119.9, 120.0):
            answers.append(ask(league))
        ages = {headers.get("Cache-Control", "") for _, headers, _ in answers}
        grid, has_etag = league.caching[GAME].grid_s, league.caching[GAME].has_etag
        assert ages == {f"max-age={grid - 1}" if grid else ""}
        assert has_etag is ("ETag" in answers[0][1])
        shown_at = [at - at % grid if grid else at for at in (100.0, 104.9, 105.0, 119.9, 120.0)]
        assert [json.loads(body) for *_, body in answers] == [as_answer(league.truth(GAME, at)) for at in shown_at]
        if has_etag:
            status, _, body = ask(league, answers[-1][1]["ETag"])
            assert (status[:3], body) == ("304", b"")
    assert len(ways) == 6
