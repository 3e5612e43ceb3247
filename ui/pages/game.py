"""The Game page: choose it, ping it, see who plays better and why."""

import time
from dataclasses import dataclass
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from db.connection import DatabaseError
from db.history import History
from livegame.errors import GameNotFound, InvalidGameId, LiveGameError, UnknownFeatures
from livegame.game_id import game_id_in, valid_game_id
from livegame.plays import GameState
from livegame.reports.counting import Count
from livegame.reports.game import GameReport
from livegame.reports.teams import season_lines
from livegame.reports.win_probability import WinProbability, game_prior, win_now
from ui import address, moment
from ui.clients import Clients, active_model, connect
from ui.colours import team_colours
from ui.game_words import game_title, ping_words
from ui.parts.day import forget_days
from ui.parts.day_strip import day_strip, keep_open_game
from ui.parts.delay import delay_control
from ui.parts.game import charts as game_charts
from ui.parts.game import controls as game_controls
from ui.parts.game import tables as game_tables
from ui.parts.game.latest import latest_line
from ui.parts.game.notices import model_notices, notices_of
from ui.parts.game.picture import offer_picture
from ui.parts.game.score_line import score_line, updated_line
from ui.parts.game.time_machine import play_on, playing_every_s, time_machine
from ui.parts.notices import Notice, NoticeLine, keep, kept
from ui.shown_model import keep_model, model_for
from ui.tab import set_title
from ui.theme import reader_theme
from ui.words import ago, plain, sentence
from xgserve.client import ServingError

TICK_S: Final = 3  # how often the page compares itself with the history, which others write to as well
DEMO_TICK_S: Final = 2
_PLACE: Final = "game"
KEPT: Final = 256

Read = GameReport | InvalidGameId | DatabaseError | None


def main() -> None:
    """Draw the stored game first; fill the strip at the top last, since it waits for the feed."""
    clients = connect()
    with st.container(key="page_game"):
        strip = st.container(key="strip_place")
        read = _read(clients, game_controls.counted())
        draw = _game if isinstance(read, GameReport) else _start
        st.fragment(draw, run_every=playing_every_s())(clients, [read])
    with strip:
        day_strip(clients, _shown(clients), lambda game_id: _open(clients, game_id))


def _shown(clients: Clients) -> str:
    return st.query_params.get("game", clients.demo_game)


def _read(clients: Clients, count: Count) -> Read:
    """Return what the history holds of the game that the address names, or why it cannot be read."""
    game = _shown(clients)
    try:
        return clients.game.report(valid_game_id(game), model_for(game), count, moment.shown()) if game else None
    except (InvalidGameId, DatabaseError) as error:
        return error


def _waits(read: Read, shown: str) -> bool:
    """Return whether the game may still change, so that the page must check for updates."""
    if isinstance(read, Exception):
        return False
    return bool(shown) if read is None else read.is_awaited or moment.is_behind(read.latest["pinged_at"])


def _open(clients: Clients, game_id: int) -> None:
    _show(game_id)
    _ping(clients, str(game_id))
    st.rerun()


def _show(game_id: int) -> None:
    """Make this the page's game, by its address."""
    if st.query_params.get("game") != str(game_id):
        st.query_params["game"] = str(game_id)
        st.query_params.pop("model", None)
        moment.show_second(None)


@dataclass(frozen=True, slots=True)
class _Places:
    """The page's places from top to bottom. Each keeps its room while it is empty, so that nothing below it moves."""

    delay: DeltaGenerator  # how far the page is behind the game; these four are at the end of the strip's row
    ping: DeltaGenerator
    again: DeltaGenerator
    more: DeltaGenerator  # which game, how often, by which model, and the picture to share
    score: DeltaGenerator
    count: DeltaGenerator  # the switch of what counts
    line: NoticeLine
    newer: DeltaGenerator
    updated: DeltaGenerator
    charts: DeltaGenerator
    latest: DeltaGenerator  # what just happened
    time_machine: DeltaGenerator
    tables: DeltaGenerator

    @classmethod
    def draw(cls, shown: str) -> "_Places":
        """Draw the empty places of the game `shown`."""
        controls = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="controls")
        score = st.container(key="score")
        below = st.container(horizontal=True, vertical_alignment="center", key="below_score")
        return cls(
            delay=controls.container(key="delay", width="content"),
            ping=controls.container(key="ping", width="content"),
            again=controls.container(key="again", width="content"),
            more=controls.popover("More", help="Another game, how often to ping, the model"),
            score=score,
            count=below.container(key="switch", width="content"),
            line=NoticeLine(_PLACE, shown, below),
            newer=below.container(key="newer", width="content"),
            updated=below.container(key="updated", width="content"),
            charts=st.container(key="charts"),
            latest=st.container(key="latest"),
            time_machine=st.container(key="time_machine"),
            tables=st.container(key="body"),
        )


def _game(clients: Clients, first: list[Read]) -> None:
    """Draw a stored game; `first` holds what `main` has read, for the first run of this fragment."""
    address.remember("game")
    shown, is_demo = _shown(clients), clients.demo is not None
    places = _Places.draw(shown)
    with places.ping:
        asked = st.button("Ping game", type="primary", help="Read the play-by-play now, and have new attempts rated.")
    with places.more:
        other = game_controls.choose_game(shown)
    if asked or other is not None:
        _ping(clients, shown if other is None else other, places.line)
        first.clear()
        if _shown(clients) != shown:
            st.rerun()  # the strip marks another game
    if not first:
        play_on()
    read = first.pop() if first else _read(clients, game_controls.counted())
    if not isinstance(read, GameReport):
        places.line.say([Notice("error", sentence(str(read)))] if read else [])
        return
    if read.has_begun:
        with places.count:
            count = game_controls.choose_count()
        if count is not read.count:  # the back button takes effect only once the switch is drawn
            read = _read(clients, count)
            assert isinstance(read, GameReport), "it was there a moment ago"  # noqa: S101
    with places.delay:
        delay_control(clients.history, read.game_id)
    with places.again:
        _offer_to_play_again(clients, read, places.line)
    with places.more:
        game_controls.choose_interval(read, is_demo=is_demo)
        game_controls.choose_model(read)
        if read.has_begun:
            offer_picture(clients.history, read, reader_theme())
    if keep_model(read):
        st.rerun()
    keep_open_game(read)
    set_title("game", game_title(read))
    with places.newer:
        game_controls.offer_newer_model(read)
    colours = team_colours(read.away.abbrev, read.home.abbrev, reader_theme())
    with places.score:
        season = None if read.has_begun else season_lines(clients.history, read)
        st.html(score_line(read, colours, season, _win_now(clients.history, read, read.content)))
    notices = [*filter(None, [kept(_PLACE, shown)]), *notices_of(read)]
    places.line.say(notices)
    with places.time_machine:
        time_machine(read, colours)
    if not read.has_begun:
        with places.tables:
            st.caption("Attempts appear here once the game starts." if read.state is GameState.NOT_STARTED else "")
    elif read.shots.empty and read.played_seconds == read.length_s:
        with places.tables:
            st.info("No attempts yet. They appear here as the league reports them.")
    else:
        with places.charts:
            game_charts.draw(clients.history, read, colours)
        with places.latest:
            st.html(latest_line(read, colours))
        with places.tables:
            game_charts.draw_deserved(read, colours)
            game_tables.draw(clients, read, colours)
    model, _ = active_model(clients.serving)  # last: a service that hangs delays only this
    places.line.say([*notices, *(model_notices(read, model) if read.has_begun else [])])
    with places.updated:
        _keep_watch(clients, read)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _win_now(_history: History, _report: GameReport, content: str) -> WinProbability | None:  # noqa: ARG001
    """Return each team's win probability, cached for all readers."""
    return win_now(_report, game_prior(_history, _report))


def _keep_watch(clients: Clients, read: Read) -> None:
    """Compare the page with the history every few seconds while the game may change, and ping it when it is due."""
    tick = DEMO_TICK_S if clients.demo else TICK_S
    run_every = tick if _waits(read, _shown(clients)) else None
    st.fragment(_watch, run_every=run_every)(clients, [read], _content(clients, read))


def _watch(clients: Clients, first: list[Read], drawn: str) -> None:
    """Ping the game if it is due, and draw the page again only if something has changed since it was drawn.

    So nothing moves, fades or loses the pointer while nothing happens.
    """
    read = first.pop() if first else _read(clients, game_controls.counted())
    if isinstance(read, GameReport) and game_controls.is_due(read, is_demo=clients.demo is not None):
        _ping(clients, _shown(clients))
        read = _read(clients, game_controls.counted())
    if _content(clients, read) != drawn:
        st.rerun()
    is_watched = isinstance(read, GameReport) and read.state in (GameState.NOT_STARTED, GameState.LIVE)
    updated = ago(read.pinged_at, moment.now()) if is_watched and isinstance(read, GameReport) else ""
    st.html(updated_line(updated and f"Updated {updated}"))


def _content(clients: Clients, read: Read) -> str:
    """Return a text that changes whenever the page must be drawn again."""
    notice = kept(_PLACE, _shown(clients))
    said = notice.text if notice and notice.kind != "note" else ""
    model, _ = active_model(clients.serving)
    content = read.content if isinstance(read, GameReport) else repr(read)
    return f"{content} {said} {model and model.id}"


def _offer_to_play_again(clients: Clients, report: GameReport, line: NoticeLine) -> None:
    demo = clients.demo
    if demo is None or demo.game_id != report.game_id:
        return
    if st.button("Play again", help="Replay the game from the beginning; what is stored of it is deleted."):
        try:
            demo.play_again()
        except (LiveGameError, DatabaseError) as error:
            keep(_PLACE, Notice("error", str(error)), _shown(clients))
        else:
            forget_days()
            _ping(clients, str(demo.game_id), line)
        st.rerun()


def _ping(clients: Clients, text: str, line: NoticeLine | None = None) -> None:
    """Ping the game that the text names, make it the page's, and keep a notice of what came of it."""
    shown = _shown(clients)
    try:
        game_id = game_id_in(text)
        if line is not None:
            line.say([Notice("note", "Reading the play-by-play and rating new attempts ...")])
        ping = clients.game.ping(game_id)
    except (ServingError, UnknownFeatures) as error:
        _show(game_id)  # the shots are stored, so there is something to show
        notice = Notice("warning", f"New attempts are saved but not rated: {sentence(str(error))}")
    except GameNotFound as error:
        notice = Notice("error", sentence(str(error)))
        if clients.history.state(game_id) is not None:
            notice = Notice("info", "The league's feed no longer has this game; what is stored stays.")
            _show(game_id)
    except (LiveGameError, DatabaseError) as error:
        stays = f" Still showing game {shown}." if isinstance(error, InvalidGameId) and shown else ""
        notice = Notice("error", sentence(str(error)) + stays)
    else:
        _show(game_id)
        notice = Notice("success" if ping.changed else "note", f"{ping_words(ping)}.")
    finally:
        st.session_state.tried_at = time.monotonic()
    keep(_PLACE, notice, _shown(clients), is_news=notice.kind != "error")
    if line is not None and notice.kind != "error" and (delay := moment.delay_s()):
        st.toast(f"Pinged. You see it in {delay} s.")


def _start(clients: Clients, first: list[Read]) -> None:
    """Draw what to do while there is no stored game to show."""
    address.remember("game")
    shown = _shown(clients)
    keep_open_game(None)
    line = NoticeLine(_PLACE, shown)
    st.title("Live expected goals", anchor=False)
    st.markdown("Who is really winning? Expected goals for every shot, live.")
    other = game_controls.choose_game(shown, "Ping game")
    if other is not None:
        _ping(clients, other, line)
        st.rerun()
    st.markdown(
        "1. Click a game above, or enter a game ID and click **Ping game**.\n"
        "2. Its shots are read from the league's feed, rated by the model and saved.\n"
        "3. During the game the page pings it as often as **Refresh** says."
    )
    read = first.pop() if first else _read(clients, game_controls.counted())
    notices = [*filter(None, [kept(_PLACE, shown)])]
    if isinstance(read, Exception):
        notices = [Notice("error", sentence(str(read)))]
    line.say(notices)
    if address.is_just_opened() and read is None:
        _ping(clients, shown, line)
        st.rerun()
    if notices:
        pass  # one message is enough
    elif shown and shown == clients.demo_game:
        st.info(f"This is a demo: game {plain(shown)} is a recording that starts with your first ping.")
    elif shown:
        st.info(f"Game {plain(shown)} has not been pinged yet. Click **Ping game** to load it.")
    else:
        st.caption("A game ID has ten digits: 2021020329 is Washington at Carolina on November 28, 2021.")
    _keep_watch(clients, read)


if __name__ == "__main__":
    main()
