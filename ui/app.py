"""The page: `streamlit run ui/app.py`. Layout only; all it shows of a game is read from the history."""

import time
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.connection import DatabaseError
from db.history import History
from livegame.client import GameClient
from livegame.exceptions import FeedError, InvalidGameId, LiveGameError
from livegame.features import FEATURES
from livegame.feed import Feed, valid_game_id
from livegame.model_inputs import UnknownFeatures, read_feature_map
from livegame.plays import GameSummary
from livegame.report import GameReport, TeamTotals
from livegame.settings import Settings, SettingsError
from ui import charts, sidebar, texts
from ui.notices import Notice, keep, show
from ui.texts import plain
from xgserve.client import ServingClient, ServingError

PING_EVERY_S: Final = 30
TICK_S: Final = 5
DAY_KEPT_S: Final = 120
GAMES_LISTED: Final = 20
CHANCES_LISTED: Final = 5
LOG_ROWS: Final = 100
PICTURES_KEPT: Final = 64
_PLACE: Final = "game"
# Width to height of the pictures, so that they fill their columns from a phone to a wide screen.
_COLUMNS: Final = (11, 9)
_RINK_RATIO: Final = 1.65
_STYLE: Final = f"""<style>
.st-key-rink {{ aspect-ratio: {_RINK_RATIO}; }}
.st-key-race {{ aspect-ratio: {_RINK_RATIO * _COLUMNS[1] / _COLUMNS[0]:.3f}; }}
</style>"""


Version = tuple[int, str, str | None, int]


@dataclass(frozen=True, slots=True)
class Clients:
    """Everybody that the page asks; shared by all of its readers."""

    game: GameClient
    serving: ServingClient
    history: History
    feed: Feed
    feature_map: dict[str, str]
    demo_game: str


@st.cache_resource(show_spinner=False)
def connect() -> Clients:
    """Build the clients from the settings.

    Raises:
        SettingsError, LiveGameError: a setting, or the file it names, cannot be used.
    """
    settings = Settings.from_env()
    return Clients(
        GameClient.from_settings(settings),
        ServingClient(settings.serving_url, token=settings.serving_token),
        History(settings.history_db),
        Feed(settings.feed_url),
        read_feature_map(settings.feature_map),
        settings.demo_game,
    )


def main() -> None:
    """Draw the page. What needs the prediction service's answer comes last, so that nothing waits for it."""
    st.set_page_config("Live xG", "🏒", layout="wide")
    try:
        clients = connect()
    except (SettingsError, LiveGameError) as error:
        st.error(plain(error))
        return
    with st.sidebar:
        st.header("Prediction model", anchor=False)
        card = st.container()
        picker = st.container()
        sidebar.choose_model(clients.serving, clients.feature_map)
    report, scored_by = _main_area(clients)
    model, problem = _active_model(clients.serving)
    if report is not None:
        with scored_by:
            _say_which_model(report, model)
    with card:
        sidebar.active_model(model, problem)
    if model is not None:
        with picker:
            sidebar.pick_model(clients.serving)
    _service_log(clients.serving)


def _main_area(clients: Clients) -> tuple[GameReport | None, Any]:
    """Draw the game; its report, and the place to say which model scored it."""
    # A field that is to hold something else becomes another field, with that as its default. Writing to the state of
    # the one that is there gets lost when a click interrupts the run that wrote it.
    opened, start = st.session_state.setdefault("opened", (0, st.query_params.get("game", clients.demo_game)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.form("ping", border=False, width=400), st.container(horizontal=True, vertical_alignment="bottom"):
            typed = st.text_input("Game ID", start, key=f"game_id_{opened}", placeholder="2021020329")
            asked = st.form_submit_button("Ping game", type="primary")
        _pick_game(clients)
        automatic = st.empty()
    if asked:
        _ping(clients, typed)
    show(_PLACE)
    shown = st.query_params.get("game", clients.demo_game)
    report = _report(clients, shown)
    if report is None:
        _start_screen(shown, is_demo=shown == clients.demo_game)
        return None, None
    if report.is_over:
        st.session_state.every = False
    automatic.toggle(
        "Ping every 30 s",
        key="every",
        disabled=report.is_over,
        help="The game is over; ping once more for late corrections." if report.is_over else None,
    )
    _header(clients, report)
    _totals(report)
    scored_by = st.container()
    _pictures(report)
    _details(report)
    _table(report)
    _corrections(report)
    return report, scored_by


# -- choosing and pinging ---------------------------------------------------------------------------------------------


def _pick_game(clients: Clients) -> None:
    popover = st.popover("Today's games", icon=":material/calendar_today:", key="games", on_change="rerun")
    if not popover.open:
        return
    with popover, st.container(gap=None):
        st.caption("Today, as the league lists them")
        try:
            today = _today(clients.feed)
        except FeedError as error:
            st.warning(plain(error))
        else:
            for game in today:
                _game_button(game.game_id, f"{game.away.name} at {game.home.name}", game.status, "today")
            if not today:
                st.write("No games today.")
        try:
            stored = clients.history.games(limit=GAMES_LISTED)
        except DatabaseError as error:
            st.warning(plain(error))
            return
        if stored:
            st.caption("In the history, the latest pinged first")
        for row in stored:
            title = f"{row['away_name']} at {row['home_name']}"
            _game_button(row["game_id"], title, f"{row['start_time'][:10]}, {row['state']}", "stored")


def _game_button(game_id: int, title: str, note: str, group: str) -> None:
    st.button(
        f"{plain(title)} :gray[{plain(note)}]",
        key=f"{group}_{game_id}",
        type="tertiary",
        on_click=_open,
        args=(game_id,),
    )


def _open(game_id: int) -> None:
    st.query_params["game"] = str(game_id)
    st.session_state.opened = (st.session_state.opened[0] + 1, str(game_id))
    st.session_state.games = False
    st.session_state.every = False
    keep(_PLACE, None)


@st.cache_data(ttl=DAY_KEPT_S, show_spinner="Asking for today's games ...")
def _today(_feed: Feed) -> tuple[GameSummary, ...]:
    """The league's games of today, asked for once in a while for all readers. Raises FeedError."""
    return _feed.day().games


def _ping(clients: Clients, text: str) -> None:
    st.session_state.tried_at = time.monotonic()
    try:
        game_id = valid_game_id(text)
        with st.spinner("Reading the play-by-play and scoring what is new ..."):
            ping = clients.game.ping(game_id)
    except (ServingError, UnknownFeatures) as error:
        # the shots are stored, so there is something to show
        keep(_PLACE, Notice("warning", f"The shots are stored but not scored ({error}). Ping again."))
        st.query_params["game"] = str(game_id)
    except (LiveGameError, DatabaseError) as error:
        keep(_PLACE, Notice("error", str(error)))
    else:
        keep(_PLACE, Notice("success" if ping.changed else "info", texts.ping_words(ping)))
        st.query_params["game"] = str(game_id)


def _report(clients: Clients, shown: str) -> GameReport | None:
    try:
        return clients.game.report(valid_game_id(shown)) if shown else None
    except (InvalidGameId, DatabaseError) as error:
        st.error(plain(error))
        return None


def _version(report: GameReport) -> Version:
    """What differs whenever the report does: a ping stores what it read first, and the predictions after."""
    return report.game_id, report.pinged_at, report.model, report.pending


@st.fragment(run_every=TICK_S)
def _clock(clients: Clients, shown: Version) -> None:
    """Say how old the picture is, ping when that is due, and redraw when the history has moved on."""
    game_id, pinged_at, *_ = shown
    try:
        report = clients.game.report(game_id)
    except DatabaseError as error:
        st.caption(plain(error))
        return
    if report is not None and _version(report) != shown:
        st.rerun()
    st.caption(f"Last ping {texts.ago(pinged_at)}")
    rested = time.monotonic() - st.session_state.get("tried_at", float("-inf"))
    if st.session_state.get("every") and rested >= PING_EVERY_S:
        _ping(clients, str(game_id))
        st.rerun()


# -- one game ---------------------------------------------------------------------------------------------------------


def _start_screen(shown: str, *, is_demo: bool) -> None:
    st.title("Live expected goals", anchor=False)
    st.markdown(
        "How many goals should each team have, by the chances it had?\n\n"
        "1. Type a game's ID above, or choose one of **Today's games**.\n"
        "2. Click **Ping game**: its shots are read from the league, scored by the model and kept.\n"
        "3. Ping again as the game goes on, or let the page do it every 30 s."
    )
    if shown and is_demo:
        st.info(f"This is a demonstration: game {plain(shown)} is recorded and starts with your first ping.")
    elif shown:
        st.info(f"Game {plain(shown)} has not been pinged yet.")
    else:
        st.caption("An ID has ten digits: 2021020329 is Washington Capitals at Carolina Hurricanes, 28 November 2021.")


def _header(clients: Clients, report: GameReport) -> None:
    away, home = report.away, report.home
    st.title(plain(report.title), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.badge(plain(report.status), color="gray" if report.is_over else "green")
        st.markdown(f"**{plain(away.name)} {away.score} - {home.score} {plain(home.name)}**")
        _clock(clients, _version(report))


def _totals(report: GameReport) -> None:
    for column, team in zip(st.columns(2), (report.away, report.home), strict=True):
        with column:
            delta = texts.metric_delta(team)
            st.metric(
                f"{plain(team.name)} xG (actual)",
                texts.metric_value(team),
                delta,
                delta_color="off",  # more or fewer goals than expected is neither good nor bad
                delta_arrow="off" if delta == "+0.00" else "auto",
                delta_description="xG - goals",
                border=True,
            )
            if pending := texts.pending_words(report, team):
                st.warning(plain(pending), icon=":material/hourglass_top:")


def _pictures(report: GameReport) -> None:
    if report.shots.empty:
        st.info("No shots yet.")
        return
    st.html(_STYLE)
    rink, race = _specs(report)
    left, right = st.columns(_COLUMNS)
    with left:
        st.markdown("**Shots** :gray[- the bigger, the likelier a goal]")
        with st.container(key="rink"):
            words = f"Map of the shots of {report.title}; the table below has them all."
            st.vega_lite_chart(spec=rink, height="stretch", alt=words)
        if missing := charts.unplaced(report):
            st.caption(f"{texts.count(missing, 'shot')} not on the map: the league has not told the place.")
    with right:
        st.markdown("**Expected goals over time** :gray[- stars are goals]")
        with st.container(key="race"):
            words = f"Expected goals: {report.away.name} {report.away.xg:.2f}, {report.home.name} {report.home.xg:.2f}."
            st.vega_lite_chart(spec=race, height="stretch", alt=words)


@st.cache_data(max_entries=PICTURES_KEPT, show_spinner=False, hash_funcs={GameReport: _version})
def _specs(report: GameReport) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rink map and the xG race, drawn once for all readers: it takes longer than all the rest of the page."""
    return charts.rink_map(report).to_dict(), charts.xg_race(report).to_dict()


def _details(report: GameReport) -> None:
    left, right = st.columns(_COLUMNS)
    with left:
        st.markdown("**Biggest chances**")
        chances = report.shots[report.shots["status"] != "retracted"].dropna(subset=["probability"])
        best = chances.sort_values("probability", ascending=False).head(CHANCES_LISTED)
        st.dataframe(
            best.assign(outcome=best["outcome"].map(charts.OUTCOMES)),
            column_order=["period", "time", "team", "shooter", "probability", "outcome", "distance"],
            column_config={
                "period": st.column_config.NumberColumn("P", help="period", width=30),
                "time": st.column_config.TextColumn("Time", width=50),
                "team": st.column_config.TextColumn("Team", width=50),
                "shooter": st.column_config.TextColumn("Shooter", width=130),
                "probability": st.column_config.NumberColumn("P(goal)", format="%.2f", width=60),
                "outcome": "Outcome",
                "distance": st.column_config.NumberColumn("Feet", help="from the net", format="%.0f", width=45),
            },
            hide_index=True,
            placeholder="-",
        )
    with right:
        st.markdown("**What counts**")
        st.table(_breakdown(report.away, report.home), border="horizontal")
        st.caption(texts.what_counts(report))


def _breakdown(away: TeamTotals, home: TeamTotals) -> pd.DataFrame:
    def column(team: TeamTotals) -> list[str]:
        pairs = (
            (team.xg, team.goals),
            (team.xg_5v5, team.goals_5v5),
            (team.xg_empty_net, team.goals_empty_net),
            (team.xg_penalty_shots, team.goals_penalty_shots),
        )
        return [f"{xg:.2f} ({goals})" for xg, goals in pairs]

    rows = ["All that counts", "5 against 5", "Empty net", "Penalty shots"]
    return pd.DataFrame({f"{team.abbrev} xG (goals)": column(team) for team in (away, home)}, index=rows)


def _table(report: GameReport) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Data used for predictions (and predictions)", anchor=False)
        st.download_button(
            "Download CSV",
            report.shots.to_csv(index=False).encode(),
            file_name=f"{report.game_id}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    config: dict[str, Any] = {
        "event_id": st.column_config.NumberColumn("event", format="%d", pinned=True),
        "time": st.column_config.TextColumn("time", help="in the period"),
        "status": st.column_config.TextColumn("status", help="of the prediction", width="small"),
        "missing": st.column_config.TextColumn("missing", help="what the league has not told yet"),
        "running_xg": st.column_config.NumberColumn("running_xg", help="the team's xG so far", format="%.2f"),
        "probability": st.column_config.ProgressColumn(
            "probability", help="of a goal, by the model", format="%.3f", min_value=0, max_value=1
        ),
    }
    for feature in FEATURES:
        words = f"{feature.formula} ({feature.unit})" if feature.unit else feature.formula
        if feature.kind == "category":
            config[feature.name] = st.column_config.TextColumn(feature.name, help=plain(words))
        else:
            decimals = 1 if feature.unit in ("ft", "deg", "ft/s") else 0
            config[feature.name] = st.column_config.NumberColumn(
                feature.name, help=plain(words), format=f"%.{decimals}f"
            )
    newest_first = report.shots.iloc[::-1]
    st.dataframe(
        newest_first.assign(status=newest_first["status"].map(texts.STATUS_MARKS)),
        column_config=config,
        hide_index=True,
        height=420,
        key=f"shots_{report.game_id}",
        placeholder="-",
    )
    st.caption(f"{texts.count(len(report.shots), 'event')}, the latest first.")


def _corrections(report: GameReport) -> None:
    if report.corrections.empty:
        return
    with st.expander(f"Corrections by the league ({len(report.corrections)})"):
        st.dataframe(
            report.corrections,
            column_order=["corrected_at", "event_id", "period", "time", "shooter", "what", "before", "after"],
            hide_index=True,
        )


# -- the service ------------------------------------------------------------------------------------------------------


def _active_model(serving: ServingClient) -> tuple[dict[str, Any] | None, str | None]:
    """The model that serves now, or why it cannot be told."""
    try:
        return serving.model(), None
    except ServingError as error:
        return None, error.message


def _say_which_model(report: GameReport, model: dict[str, Any] | None) -> None:
    """Say which model the numbers are from, and what to do if it is not the one that serves now."""
    if model is None or report.model == model["id"]:
        st.caption(f"Scored by {plain(report.model)}." if report.model else "Not scored yet.")
        return
    if report.model is None:
        st.info(plain(f"Not scored yet; {model['id']} serves now. Ping the game to have it scored."))
        return
    st.info(
        plain(f"Scored by {report.model}. {model['id']} serves now; ping the game to have it scored by that one, too.")
    )


def _service_log(serving: ServingClient) -> None:
    panel = st.expander("Service log", key="log", on_change="rerun")
    if not panel.open:
        return
    with panel:
        try:
            rows = serving.logs(limit=LOG_ROWS)
        except ServingError as error:
            st.warning(plain(error.message))
            return
        st.dataframe(
            rows,
            column_order=["at", "level", "message", "request_id"],
            column_config={
                "at": st.column_config.DatetimeColumn("time (UTC)", format="YYYY-MM-DD HH:mm:ss", width="small"),
                "level": st.column_config.TextColumn("level", width="small"),
                "message": st.column_config.TextColumn("message", width="large"),
            },
            hide_index=True,
            height=320,
        )


if __name__ == "__main__":
    main()
