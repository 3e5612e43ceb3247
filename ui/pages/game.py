"""The page of one game: choose it, ping it, see who plays better and why."""

import time
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from db.connection import DatabaseError
from livegame.errors import GameNotFound, InvalidGameId, LiveGameError, UnknownFeatures
from livegame.feed import game_id_in, valid_game_id
from livegame.plays import GameState
from livegame.reports.counting import Count
from livegame.reports.game import GameReport
from livegame.reports.teams import season_lines
from ui import words
from ui.clients import Clients, active_model, clients
from ui.colours import Theme, team_colours
from ui.kept_model import keep_model, model_for, newer_model, switch_to
from ui.parts import game_charts, game_tables
from ui.parts.day_strip import day_strip, forget_days
from ui.parts.notices import Line, Notice, keep, kept
from ui.parts.score_line import score_line
from ui.words import plain
from xgserve.client import ServingError

TICK_S: Final = 5  # how often the picture is compared with the history, which others write to as well
INTERVALS: Final = {0: "by hand", 10: "every 10 s", 30: "every 30 s", 60: "every minute"}
INTERVAL: Final = 30
DEMO_INTERVALS: Final = {0: "by hand", 5: "every 5 s", 30: "every 30 s"}  # a replay is no burden to anybody
DEMO_INTERVAL: Final = 5
DEMO_TICK_S: Final = 2
COUNT: Final = Count.NO_EMPTY_NET  # attempts at an empty net say more of the score than of who played better
_PLACE: Final = "game"
_BEFORE: Final = {GameState.NOT_STARTED: "Attempts appear here once the game has begun."}

Read = GameReport | InvalidGameId | DatabaseError | None


def main() -> None:
    """Draw the page: what is stored first, and what has to be asked for last, at its place."""
    everybody = clients()
    strip = st.container(key="strip_place")
    read = _read(everybody)
    waits = _waits(read, _shown(everybody))
    tick = DEMO_TICK_S if everybody.demo else TICK_S
    st.fragment(_game, run_every=tick if waits else None)(everybody, [read], waits)
    with strip:
        day_strip(everybody.feed, _shown(everybody), lambda game_id: _open(everybody, game_id))


def _shown(everybody: Clients) -> str:
    return st.query_params.get("game", everybody.demo_game)


def _count() -> Count:
    """What the address says is to be counted."""
    asked = st.query_params.get("count")
    return next((count for count, words in words.COUNTS.items() if words == asked), COUNT)


def _read(everybody: Clients, count: Count | None = None) -> Read:
    """What the history says of the game that the address names, under the model that it names; or why it cannot."""
    game = _shown(everybody)
    try:
        return everybody.game.report(valid_game_id(game), model_for(game), count or _count()) if game else None
    except (InvalidGameId, DatabaseError) as error:
        return error


def _waits(read: Read, shown: str) -> bool:
    """Whether more may come for the page to show by itself."""
    if isinstance(read, Exception):
        return False
    return bool(shown) if read is None else read.is_awaited


def _open(everybody: Clients, game_id: int) -> None:
    _show(game_id)
    _ping(everybody, str(game_id))
    st.rerun()


def _show(game_id: int) -> None:
    """Make this the page's game, by its address."""
    if st.query_params.get("game") != str(game_id):
        st.query_params["game"] = str(game_id)
        st.query_params.pop("model", None)


def _game(everybody: Clients, first: list[Read], waited: bool) -> None:
    """Draw the game; `first` holds what was read for the first time that this is drawn.

    Whatever is there only at times has a place of its own that is always there, so that nothing below it moves.
    """
    shown = _shown(everybody)
    controls = st.container(horizontal=True, vertical_alignment="bottom", key="controls")
    score = st.container(key="score")
    with st.container(horizontal=True, vertical_alignment="center", key="below_score"):
        switch = st.container(key="switch", width="content")
        said = Line(_PLACE, shown)
        newer = st.container(key="newer", width="content")
    with controls:
        typed, asked = _form(shown)
    if asked:
        _ping(everybody, typed, said)
        first.clear()
        if _shown(everybody) != shown:
            st.rerun()  # the strip marks another game
    read = first.pop() if first else _read(everybody)
    notices = [*filter(None, [kept(_PLACE, shown)])]
    if isinstance(read, Exception):
        said.say([Notice("error", words.sentence(str(read)))])
        return
    if read is None:
        said.say(notices)
        _start_screen(shown, is_demo=shown == everybody.demo_game, is_told=bool(notices))
        return
    if _waits(read, shown) != waited:
        st.rerun()  # from now on there is something to wait for, or nothing any more
    if read.has_begun:
        with switch:
            count = _switch()
        if count is not read.count:
            read = _read(everybody, count)
            assert isinstance(read, GameReport), "it was there a moment ago"  # noqa: S101
    with controls:
        _refresh(everybody, read)
        _offer_to_play_again(everybody, read, said)
        _choose_model(read)
    if keep_model(read):
        st.rerun()
    with newer:
        _offer_newer(read)
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    colours = team_colours(read.away.abbrev, read.home.abbrev, theme)
    with score:
        st.html(score_line(read, colours, None if read.has_begun else season_lines(everybody.history, read)))
    said.say([*notices, *_what_is_told(read)])
    with st.container(key="body"):
        if not read.has_begun:
            st.caption(_BEFORE.get(read.state, ""))
        elif read.shots.empty:
            st.info("No attempts yet. They appear here as the league reports them.")
        else:
            game_charts.draw(read, colours)
            game_tables.draw(everybody.game, read, colours)
    model, _ = active_model(everybody.serving)  # last, since a service that hangs is waited for
    by = _which_model(read, model) if read.has_begun else []
    said.say([*notices, *_what_is_told(read), *by])
    if _is_due(everybody, read):
        _ping(everybody, shown, said)
        st.rerun()


def _offer_newer(report: GameReport) -> None:
    """Offer the numbers of the model that somebody has loaded since the page opened the game."""
    newer = newer_model(report)
    if newer is not None and st.button(
        f"Switch to {plain(words.model_name(newer))}", key=f"newer_{report.game_id}_{newer}", type="tertiary"
    ):
        switch_to(newer, report.game_id)
        st.rerun(scope="app")


def _switch() -> Count:
    chosen = st.segmented_control(
        "What counts",
        list(words.COUNTS),
        default=COUNT,
        required=True,
        format_func=words.COUNTS.__getitem__,
        key="count",
        bind="query-params",
        label_visibility="collapsed",
    )
    return Count(chosen)


def _form(shown: str) -> tuple[str, bool]:
    """Draw the form; the id typed, and whether to ping it."""
    opened, game = st.session_state.get("opened", (0, None))
    if game != shown:
        # A field that is to hold something else becomes another field, with that as its default. Writing to the state
        # of the one that is there gets lost when a click interrupts the run that wrote it.
        opened += 1
        st.session_state.opened = (opened, shown)
    with st.form("ping", border=False, width=330), st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input("Game ID", shown, key=f"game_id_{opened}", placeholder="2021020329")
        return typed, st.form_submit_button("Ping game", type="primary")


def _refresh(everybody: Clients, report: GameReport) -> None:
    intervals, usual = (DEMO_INTERVALS, DEMO_INTERVAL) if everybody.demo else (INTERVALS, INTERVAL)
    st.selectbox(
        "Refresh",
        list(intervals),
        index=list(intervals).index(usual),
        format_func=intervals.__getitem__,
        key="every",
        persist_state="session",
        width=150,
        disabled=not report.is_awaited,
        help="How often the page pings a game that is being played. Before the start it does so once an hour, and it"
        " goes on for 15 minutes after the end.",
    )


def _offer_to_play_again(everybody: Clients, report: GameReport, said: Line) -> None:
    demo = everybody.demo
    if demo is None or demo.game_id != report.game_id:
        return
    if st.button("Play again", help="Replay the game from the beginning; what is shown of it is forgotten."):
        try:
            demo.play_again()
        except (LiveGameError, DatabaseError) as error:
            keep(_PLACE, Notice("error", str(error)), _shown(everybody))
        else:
            forget_days()
            _ping(everybody, str(demo.game_id), said)
        st.rerun()


def _choose_model(report: GameReport) -> None:
    if len(report.models) < 2:
        return
    chosen = st.selectbox(
        "Numbers by",
        report.models,
        index=report.models.index(report.model) if report.model in report.models else 0,
        format_func=words.model_name,
        key=f"numbers_by_{report.game_id}_{report.model}",
        help="All models that have rated this game. Sums never mix them.",
        width=280,
    )
    if chosen != report.model:
        st.query_params["model"] = str(chosen)
        st.rerun(scope="app")


def _is_due(everybody: Clients, report: GameReport) -> bool:
    """Whether the page should ping by itself: nobody has done so for as long as the reader chose."""
    every = st.session_state.get("every", DEMO_INTERVAL if everybody.demo else INTERVAL)
    tried = time.monotonic() - st.session_state.get("tried_at", float("-inf"))
    return bool(every) and tried >= every and report.is_due(every)


def _ping(everybody: Clients, text: str, said: Line | None = None) -> None:
    shown = _shown(everybody)
    try:
        game_id = game_id_in(text)
        if said is not None:
            said.say([Notice("note", "Reading the play-by-play and rating what is new ...")])
        ping = everybody.game.ping(game_id)
    except (ServingError, UnknownFeatures) as error:
        # the shots are stored, so there is something to show
        _show(game_id)
        notice = Notice("warning", f"New attempts are kept, not rated: {words.sentence(str(error))}")
    except GameNotFound as error:
        notice = Notice("error", words.sentence(str(error)))
        if everybody.history.state(game_id) is not None:
            notice = Notice("info", "The league's feed does not have this game any more; what is stored stays.")
            _show(game_id)
    except (LiveGameError, DatabaseError) as error:
        stays = f" Game {shown} stays." if isinstance(error, InvalidGameId) and shown else ""
        notice = Notice("error", words.sentence(str(error)) + stays)
    else:
        _show(game_id)
        notice = Notice("success" if ping.changed else "note", f"{words.ping_words(ping)}.")
    finally:
        st.session_state.tried_at = time.monotonic()
    keep(_PLACE, notice, _shown(everybody))


def _start_screen(shown: str, *, is_demo: bool, is_told: bool) -> None:
    st.title("Live expected goals", anchor=False)
    st.markdown(
        "Who is really winning? Expected goals for every shot, live.\n\n"
        "1. Click a game in the strip above, or type a game's ID and click **Ping game**.\n"
        "2. Its shots are read from the league, rated by the model and kept.\n"
        "3. While the game goes on, the page pings it by itself as often as **Refresh** says."
    )
    if is_told:
        return  # of one state, one message
    if shown and is_demo:
        st.info(f"This is a demonstration: game {plain(shown)} is recorded and starts with your first ping.")
    elif shown:
        st.info(f"Game {plain(shown)} has not been pinged yet. Click **Ping game** to read it.")
    else:
        st.caption("An ID has ten digits: 2021020329 is Washington Capitals at Carolina Hurricanes, 28 November 2021.")


def _what_is_told(report: GameReport) -> list[Notice]:
    """What has to be said about the numbers, whatever serves now."""
    asked = st.query_params.get("model")
    notices = []
    if asked and asked != report.model:
        by = f"; the numbers are by {words.model_name(report.model)}" if report.model else ""
        notices.append(Notice("warning", f"No model {asked!r} has rated this game{by}."))
    if newer := newer_model(report):
        notices.append(Notice("info", f"A newer model has rated this game: {words.model_name(newer)}."))
    if text := words.waiting_words(report):
        notices.append(Notice("warning", text))
    if report.problems:
        notices.append(Notice("warning", f"In the league's answer: {words.league_words(report.problems)}."))
    if text := words.correction_words(report):
        notices.append(Notice("note", text))
    return notices


def _which_model(report: GameReport, model: Mapping[str, Any] | None) -> list[Notice]:
    """Which model the numbers are from, and what to do if it is not `model`, which serves now."""
    active = "" if model is None else str(model["id"])
    if report.model is None:
        serves = f"; {words.model_name(active)} serves now: ping the game to have it rated" if active else ""
        return [Notice("info", f"Not rated yet{serves}.")]
    rated = f"Rated by {words.model_name(report.model)}."
    if active in ("", *report.models):
        return [Notice("note", rated)]
    text = f"{words.model_name(active)} serves now; ping the game to have it rated by that one, too."
    return [Notice("note", rated), Notice("info", text)]


if __name__ == "__main__":
    main()
