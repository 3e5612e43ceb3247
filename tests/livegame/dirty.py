"""A small game with a bit of everything, and ways to make the feed's answer of it wrong."""

import copy
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.games import AWAY, GAME_ID, as_feed, game, play

PATH = f"/v1/gamecenter/{GAME_ID}/play-by-play"
SHOTS = (11, 12, 13, 14)

# Thousands take minutes:
# XG_TEST_FUZZ=5000 pytest tests/livegame/parsing/test_dirty_feeds.py tests/livegame/test_client_fuzz.py --timeout=3000
FUZZ = int(os.environ.get("XG_TEST_FUZZ", "0"))


def fuzzed(default: int) -> settings:
    """Use the same examples in every default run, and new ones in each long run."""
    return settings(
        max_examples=FUZZ or default,
        derandomize=not FUZZ,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # to make an example shorter takes a long time here
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def clean() -> dict[str, Any]:
    """A small game with a bit of everything."""
    return as_feed(
        game(
            play(50, "faceoff", 0, x=0, y=0, zone="N"),
            play(11, "shot-on-goal", 12, x=60, y=-5, zone="O", shooter_id=8478427, goalie_id=1),
            play(51, "hit", 20, team=AWAY),
            play(12, "missed-shot", 30, team=AWAY, x=-80, y=12, shooter_id=8471214),
            play(52, "penalty", 40),
            play(53, "faceoff", 41, situation="1451"),
            play(13, "goal", 55, x=82, y=3, situation="1541", shooter_id=8478427),
            play(54, "blocked-shot", 70),
            play(14, "shot-on-goal", 75, x=75, y=0),
        )
    )


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small game with one value in its play 13, or in its header, replaced."""
    feed = clean()
    *inner, last = path.split(".")
    target: Any = feed if path[0] == "/" else next(raw for raw in feed["plays"] if raw["eventId"] == 13)
    for key in inner:
        target = target[key.removeprefix("/")]
    target[last.removeprefix("/")] = value
    return feed


JUNK = st.one_of(
    st.sampled_from(
        [
            *(
                None,
                True,
                False,
                0,
                -1,
                1.5,
                10**30,
                -(10**400),
                float("nan"),
                float("-inf"),
                [],
                {},
                [1],
                {"default": 5},
            ),
            *("", "abc", "12", "-1:30", "99:99", "\x00", "\ud800", "é" * 300, "<script>alert(1)</script>"),
            "'; DROP TABLE shots; --",
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["replace", "delete", "double", "move", "insert"]), JUNK),
    min_size=1,
    max_size=6,
)
Mutations = list[tuple[int, str, Any]]


def mutate(feed: Any, mutations: Mutations) -> None:
    """Change the JSON at random places."""
    for place, what, junk in mutations:
        places = list(_places(feed))
        if not places:
            return
        container, key = places[place % len(places)]
        if what == "replace" or (what != "delete" and isinstance(container, dict)):
            container[key] = copy.deepcopy(junk)
        elif what == "delete":
            del container[key]
        elif what == "double":
            container.insert(place % (len(container) + 1), copy.deepcopy(container[key]))
        elif what == "move":
            container.insert(place % len(container), container.pop(key))
        else:
            container.insert(key, copy.deepcopy(junk))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries):
        yield value, key
        yield from _places(inner)


def present_id(raw: Any) -> Any:
    return raw.get("eventId") if isinstance(raw, dict) else None
