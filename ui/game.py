"""The page of one game: choose it, ping it, see who plays better and why."""

import time
from typing import Final

import streamlit as st

from db.connection import DatabaseError
from livegame.exceptions import InvalidGameId, LiveGameError
from livegame.feed import valid_game_id
from livegame.model_inputs import UnknownFeatures
from livegame.report import GameReport
from ui import pictures, tables, texts
from ui.clients import Clients, active_model, clients
from ui.colours import team_colours
from ui.notices import Notice, keep, show
from ui.scoreline import score_line
from ui.strip import day_strip
from ui.texts import plain
from xgserve.client import ServingError

TICK_S: Final = 5  # how often the picture is compared with the history, which others write to as well
INTERVALS: Final = {0: "by hand", 10: "every 10 s", 30: "every 30 s", 60: "every minute"}
INTERVAL: Final = 30
_PLACE: Final = "game"


def main() -> None:
    """Draw the page: what is stored first, and what has to be asked for last, at its place."""
    everybody = clients()
    strip = st.container(key="strip_place")
    waits = _waits(everybody)
    st.fragment(_game, run_every=TICK_S if waits else None)(everybody, waits)
    with strip:
        day_strip(everybody.feed, _shown(everybody), lambda game_id: _open(everybody, game_id))


def _shown(everybody: Clients) -> str:
    return st.query_params.get("game", everybody.demo_game)


def _waits(everybody: Clients) -> bool:
    """Whether more may come for the page to show by itself."""
    try:
        report = _report(everybody)
    except (InvalidGameId, DatabaseError):
        return False  # `_game` says why
    return bool(_shown(everybody)) if report is None else report.is_awaited


def _report(everybody: Clients) -> GameReport | None:
    """What the history says of the game that the address names, under the model that it names."""
    game = _shown(everybody)
    return everybody.game.report(valid_game_id(game), st.query_params.get("model")) if game else None


def _open(everybody: Clients, game_id: int) -> None:
    _show(game_id)
    _ping(everybody, str(game_id))
    st.rerun()


def _show(game_id: int) -> None:
    """Make this the page's game, by its address."""
    if st.query_params.get("game") != str(game_id):
        st.query_params["game"] = str(game_id)
        st.query_params.pop("model", None)


def _game(everybody: Clients, waits: bool) -> None:
    shown = _shown(everybody)
    controls = st.container(horizontal=True, vertical_alignment="bottom", key="controls")
    with controls:
        typed, asked = _form(shown)
    if asked:
        _ping(everybody, typed)
        if _shown(everybody) != shown:
            st.rerun()  # the strip marks another game
    try:
        report = _report(everybody)
    except (InvalidGameId, DatabaseError) as error:
        st.error(plain(error))
        return
    if report is not None and report.is_awaited != waits:
        st.rerun()  # from now on there is something to wait for, or nothing any more
    show(_PLACE, shown, in_passing=True)
    if report is None:
        _start_screen(shown, is_demo=shown == everybody.demo_game)
        return
    with controls:
        _refresh(report)
        _choose_model(report)
    _draw(everybody, report)
    if _is_due(report):
        _ping(everybody, shown)
        st.rerun()


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


def _refresh(report: GameReport) -> None:
    st.selectbox(
        "Refresh",
        list(INTERVALS),
        index=list(INTERVALS).index(INTERVAL),
        format_func=INTERVALS.__getitem__,
        key="every",
        persist_state="session",
        width=150,
        disabled=not report.is_awaited,
        help="How often the page pings a game that is being played. Before the start it does so once an hour, and it"
        " goes on for 15 minutes after the end.",
    )


def _choose_model(report: GameReport) -> None:
    if len(report.models) < 2:
        return
    chosen = st.selectbox(
        "Numbers by",
        report.models,
        index=report.models.index(report.model) if report.model in report.models else 0,
        format_func=texts.model_name,
        key=f"numbers_by_{report.game_id}_{report.model}",
        help="All models that have scored this game. Sums never mix them.",
        width=280,
    )
    if chosen != report.model:
        st.query_params["model"] = str(chosen)
        st.rerun(scope="app")


def _is_due(report: GameReport) -> bool:
    """Whether the page should ping by itself: nobody has done so for as long as the reader chose."""
    every = st.session_state.get("every", INTERVAL)
    tried = time.monotonic() - st.session_state.get("tried_at", float("-inf"))
    return bool(every) and tried >= every and report.is_due(every)


def _ping(everybody: Clients, text: str) -> None:
    try:
        game_id = valid_game_id(text)
        with st.spinner("Reading the play-by-play and scoring what is new ..."):
            ping = everybody.game.ping(game_id)
    except (ServingError, UnknownFeatures) as error:
        # the shots are stored, so there is something to show
        _show(game_id)
        notice = Notice("warning", f"The shots are stored but not scored ({error}). Ping again.")
    except (LiveGameError, DatabaseError) as error:
        notice = Notice("error", str(error))
    else:
        _show(game_id)
        notice = Notice("success" if ping.changed else "info", texts.ping_words(ping))
    finally:
        st.session_state.tried_at = time.monotonic()
    keep(_PLACE, notice, _shown(everybody))


def _start_screen(shown: str, *, is_demo: bool) -> None:
    st.title("Live expected goals", anchor=False)
    st.markdown(
        "How many goals should each team have, by the chances it had?\n\n"
        "1. Click a game in the strip above, or type a game's ID and click **Ping game**.\n"
        "2. Its shots are read from the league, scored by the model and kept.\n"
        "3. While the game goes on, the page pings it by itself as often as **Refresh** says."
    )
    if shown and is_demo:
        st.info(f"This is a demonstration: game {plain(shown)} is recorded and starts with your first ping.")
    elif shown:
        st.info(f"Game {plain(shown)} has not been pinged yet. Click **Ping game** to read it.")
    else:
        st.caption("An ID has ten digits: 2021020329 is Washington Capitals at Carolina Hurricanes, 28 November 2021.")


def _draw(everybody: Clients, report: GameReport) -> None:
    colours = team_colours(report.away.abbrev, report.home.abbrev)
    st.html(score_line(report, colours))
    for words in filter(None, (texts.pending_words(report, team) for team in (report.away, report.home))):
        st.warning(plain(words), icon=":material/hourglass_top:")
    if report.problems:
        st.warning(plain(f"In the league's answer: {report.problems}"), icon=":material/report:")
    if corrected := texts.correction_words(report):
        st.caption(f":material/edit_note: {plain(corrected)}")
    scored_by = st.container()
    if report.shots.empty:
        st.info("No shots yet. They appear here as the league reports them.")
    else:
        pictures.draw(report, colours)
        tables.draw(everybody.game, report, colours)
    with scored_by:
        _say_which_model(everybody, report)


def _say_which_model(everybody: Clients, report: GameReport) -> None:
    """Say which model the numbers are from, and what to do if it is not the one that serves now."""
    model, _ = active_model(everybody.serving)
    active = None if model is None else str(model["id"])
    if report.model is None and active is None:
        st.info("Not scored yet. As soon as the prediction service answers, a ping has the shots scored.")
    elif report.model is None:
        st.info(plain(f"Not scored yet; {active} serves now. Ping the game to have it scored."))
    elif active in (None, *report.models):
        st.caption(f"Scored by {plain(report.model)}.")
    else:
        words = f"Scored by {report.model}. {active} serves now; ping the game to have it scored by that one, too."
        st.info(plain(words))


if __name__ == "__main__":
    main()
