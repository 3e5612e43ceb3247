"""Addresses hold secrets: they are checked, and named, without ever being shown."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from db.connection import DatabaseError, open_writer
from db.environment import SettingsError
from db.history import History, Outbox
from db.history.schema import MIGRATIONS
from livegame.notices.addresses import addresses, subscribe
from livegame.settings import ClientSettings
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, FeedServer, game, play
from tests.helpers import make_client
from tests.receiver import SECRET

ADDRESS = f"json://user:{SECRET}@127.0.0.1:9/path"


def settings(folder: Path, notify: str = ADDRESS, **more: str) -> ClientSettings:
    return ClientSettings.from_env({"XG_DATA_DIR": str(folder), "XG_NOTIFY": notify} | more)


@pytest.mark.parametrize(
    "text",
    [
        "ntfy://a ntfy://b",
        "ntfy://a,ntfy://b",
        " ntfy://a ,\n ntfy://b, ",
        "ntfy://a ntfy://b ntfy://a",
    ],
)
def test_addresses_are_separated_by_spaces_or_commas(text: str, tmp_path: Path) -> None:
    assert settings(tmp_path, text).notify == ("ntfy://a", "ntfy://b")


def test_address_may_hold_commas_and_other_addresses(tmp_path: Path) -> None:
    mail, other = "mailto://a:b@example.com?to=c@example.com,d@example.com", "json://h/?x=http://other"
    assert settings(tmp_path, f"{mail},{other}").notify == (mail, other)


@pytest.mark.parametrize(
    "unusable",
    [
        SECRET,
        f"hooks.example.com/{SECRET}",
        f"nosuchservice://{SECRET}",
        f"discord://{SECRET}",
        f"ntfy://good {SECRET}",
        f"ntfy://good slack://{SECRET}",
        " ".join(f"ntfy://{SECRET}{number}" for number in range(21)),
    ],
)
def test_unusable_address_is_refused_without_showing_it(unusable: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="XG_NOTIFY") as refused:
        subscribe(settings(tmp_path, unusable))
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value.__context__)


def test_settings_do_not_show_addresses(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert SECRET not in repr(found)
    assert SECRET not in repr(addresses(found))
    assert re.fullmatch(r"json [0-9a-f]{6}", addresses(found)[0].name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XG_NOTIFY_ABOUT", "goal"),
        ("XG_NOTIFY_TEAMS", "Carolina"),
        ("XG_NOTIFY_CHANCE", "0"),
        ("XG_NOTIFY_CHANCE", "1.5"),
    ],
)
def test_unusable_wish_is_refused_by_name(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=name):
        settings(tmp_path, **{name: value})


def test_wishes_are_read_with_spaces_or_commas(tmp_path: Path) -> None:
    found = settings(tmp_path, XG_NOTIFY_ABOUT="Goals, leads chances", XG_NOTIFY_TEAMS="car,WSH")
    assert found.notify_about == {"goals", "leads", "chances"}
    assert found.notify_teams == {"CAR", "WSH"}


def test_digest_depends_on_a_key_of_the_data_folder_that_only_its_owner_reads(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:  # all of them make the key
        found = {found[0].wish.address for found in pool.map(addresses, [settings(tmp_path / "a")] * 8)}
    assert len(found) == 1
    assert addresses(settings(tmp_path / "b"))[0].wish.address not in found
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["notify.key"]
    assert (tmp_path / "a" / "notify.key").stat().st_mode & 0o777 == 0o600


def test_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "notify.key").symlink_to("/etc/hostname")
    with pytest.raises(DatabaseError, match=r"notify\.key.*symbolic link"):
        addresses(settings(tmp_path))


def kinds_written(folder: Path, service: Service, feed: FeedServer, **wishes: str) -> Iterator[str]:
    """Yield the kinds of notices that are written of a goal, a chance of 0.3 xG, a second goal and a period's end."""
    subscribe(settings(folder, **wishes))
    client = make_client(folder, feed.url, service.url)
    plays = [
        play(50, "faceoff", 0, x=0, y=0),
        play(60, "goal", 60, AWAY),
        play(61, "missed-shot", 95, x=86, y=0),
        play(62, "goal", 200, AWAY),
    ]
    for number in range(1, 5):
        feed.show(game(*plays[:number], seconds_left=1200 - 100 * number))
        client.ping(GAME_ID)
    feed.show(game(*plays, seconds_left=1080, in_intermission=True))
    client.ping(GAME_ID)
    yield from (row["kind"] for row in Outbox(folder / "history.db").open_deliveries())


@pytest.mark.parametrize(
    ("wishes", "kinds"),
    [
        ({}, ["goal", "goal"]),
        ({"XG_NOTIFY_ABOUT": "leads periods"}, ["goal", "period"]),
        ({"XG_NOTIFY_ABOUT": "chances goals"}, ["goal", "chance", "goal"]),
        ({"XG_NOTIFY_ABOUT": "chances", "XG_NOTIFY_CHANCE": "0.9"}, []),
        ({"XG_NOTIFY_TEAMS": "TOR, CAR"}, ["goal", "goal"]),
        ({"XG_NOTIFY_TEAMS": "TOR"}, []),
    ],
)
def test_only_what_is_wanted_is_written(
    tmp_path: Path, service: Service, feed: FeedServer, wishes: dict[str, str], kinds: list[str]
) -> None:
    assert list(kinds_written(tmp_path, service, feed, **wishes)) == kinds


def test_address_that_was_not_seen_for_a_day_gets_nothing_more(
    tmp_path: Path, service: Service, feed: FeedServer
) -> None:
    subscribe(settings(tmp_path, "ntfy://old"))
    with closing(open_writer(tmp_path / "history.db", MIGRATIONS)) as connection:
        connection.execute("UPDATE addresses SET seen_at = '2020-01-01T00:00:00.000Z'")
    assert list(kinds_written(tmp_path, service, feed)) == ["goal", "goal"]  # for the new one alone


def test_game_with_notices_can_be_forgotten(tmp_path: Path, service: Service, feed: FeedServer) -> None:
    assert list(kinds_written(tmp_path, service, feed))
    History(tmp_path / "history.db").forget(GAME_ID)
    assert Outbox(tmp_path / "history.db").open_deliveries() == []
