"""The picture of a game: its size, its colours and its words, without a network or fonts of the machine."""

import io
import re
from html import unescape
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from db.history import History
from db.history.moment import Moment
from livegame.reports.counting import Count
from livegame.reports.game import GameReport, game_report
from livegame.reports.win_probability import Prior, WinProbability, win_curve
from scripts.picture import main
from tests.conftest import Service
from tests.helpers import NOWHERE
from tests.histories import SAMPLE, small_history
from tests.reports import SHOTS, report_of
from tests.ui.page_session import page_opener
from ui.charts.picture import HEIGHT, WIDTH, picture_name, picture_of, picture_svg
from ui.colours import BACKGROUNDS, Theme, team_colours
from ui.words import EN_DASH

EVEN = WinProbability(0.375, 0.625)
LEAST_SIZE = 18  # pixels, of any word


@pytest.fixture(scope="module")
def folder(session_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    session_service.begin()
    return small_history(tmp_path_factory.mktemp("pictured"), session_service).parent


@pytest.fixture(scope="module")
def history(folder: Path) -> History:
    return History(folder / "history.db")


@pytest.fixture(scope="module")
def final(history: History) -> str:
    return drawn(reported(history))


def reported(history: History, second: int | None = None) -> GameReport:
    moment = None if second is None else Moment(game_s=second)
    found = game_report(history, SAMPLE, None, Count.NO_EMPTY_NET, moment)
    assert found is not None
    return found


def drawn(report: GameReport) -> str:
    return picture_svg(report, EVEN, win_curve(report, Prior()), team_colours(report.away.abbrev, report.home.abbrev))


def words(svg: str) -> list[str]:
    """Return the picture's texts, those of the charts included."""
    return [unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)</text>", svg)]


def colours(png: bytes) -> dict[tuple[int, ...], int]:
    """Return how many pixels have each colour."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.size == (WIDTH, HEIGHT) == (1200, 1500)
    found = image.getcolors(WIDTH * HEIGHT)
    assert found is not None
    return {colour: number for number, colour in found if isinstance(colour, tuple)}


def has_colours(png: bytes, theme: Theme) -> bool:
    found = colours(png)
    marks = [ImageColor.getrgb(colour) for colour in team_colours("WSH", "CAR", theme)[:2]]
    is_on_paper = max(found, key=found.__getitem__) == ImageColor.getrgb(BACKGROUNDS[theme])
    return is_on_paper and all(found.get(mark, 0) > 5_000 for mark in marks)  # bars, lines, marks on the rink


def test_picture_has_the_teams_colours_on_the_themes_background(history: History) -> None:
    assert has_colours(picture_of(history, reported(history), "light"), "light")


def test_final_says_score_xg_shots_model_and_time(history: History, final: str) -> None:
    report, said = reported(history), words(final)
    for word in ("WSH", "Washington Capitals", "4", "CAR", "Carolina Hurricanes", "2", "Final", "live-xg"):
        assert word in said
    for team in (report.away, report.home):
        assert f"{team.counted.xg:.2f}" in said
        assert f"{team.abbrev} {team.counted.xg:.2f}" in said  # at the end of its line
    assert "Sun, Nov 28, 2021 · Regular season 2021-22" in said
    assert f"{report.away.attempts.on_goal} {EN_DASH} {report.home.attempts.on_goal}" in said
    assert any(re.fullmatch(r"bundled/xg-d\w+:1\.0\.0 · .*empty net excluded · as of 20.* UTC", text) for text in said)
    assert [text for text in said if re.fullmatch(r"P\d", text)] == ["P1", "P2", "P3"]
    assert "WSH won" in said  # at the end of the curve
    assert "win probability" not in said  # it is over


def test_live_game_has_its_clock_and_win_probability_and_names_are_escaped(service: Service, tmp_path: Path) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    object.__setattr__(report.away, "name", "<script> & co")
    svg = drawn(report)
    said = words(svg)
    assert f"Period 1 {EN_DASH} 12:35 left" in said
    assert said[said.index("win probability") - 1] == f"38% {EN_DASH} 62%"
    assert "5v5" in said
    assert "<script>" not in svg and "<script> & co" in said


def test_abbreviation_cannot_break_the_charts_or_name_a_folder(service: Service, tmp_path: Path) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    object.__setattr__(report.away, "abbrev", "../W'\"\\")
    assert "../W'\"\\" in words(drawn(report))
    assert picture_name(report) == "2021-11-28_W-CAR_xg.png"


def test_picture_of_an_earlier_moment_holds_nothing_later(history: History) -> None:
    report = reported(history, 1500)
    said = words(drawn(report))
    assert (report.away.score, report.home.score) != (4, 2)
    assert "Final" not in said
    assert f"{reported(history).away.counted.xg:.2f}" not in said


def test_every_word_can_be_read_in_a_chat(final: str) -> None:
    own = [float(size) for size in re.findall(r'<text x="[^"]*" y="[^"]*" font-size="([\d.]+)"', final)]
    width = float(re.findall(r'<svg x="\d+" y="\d+" width="([\d.]+)"', final)[0])
    shown = float(re.findall(r'viewBox="0 0 ([\d.]+) [\d.]+" overflow', final)[0])
    in_charts = [width / shown * float(size) for size in re.findall(r'font-size="([\d.]+)px"', final)]
    assert own and in_charts
    assert min(*own, *in_charts) >= LEAST_SIZE


def test_words_are_in_the_font_that_comes_along(final: str) -> None:
    """On a machine without fonts, a character that the font lacks is a box."""
    assert set(re.findall(r'font-family="([^"]+)"', final)) == {"Liberation Sans"}
    assert not set("\N{BLACK STAR}\N{BLACK RIGHT-POINTING TRIANGLE}\N{BLACK LEFT-POINTING TRIANGLE}") & set(final)


def test_ids_of_the_charts_differ(final: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', final)
    assert len(ids) == len(set(ids))


def test_command_writes_the_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XG_DATA_DIR", str(folder))
    assert main([str(SAMPLE), "--dark"]) == 0
    name = "2021-11-28_WSH-CAR_xg.png"
    assert capsys.readouterr().out == f"{name}: Washington Capitals at Carolina Hurricanes, Final\n"
    assert has_colours((tmp_path / name).read_bytes(), "dark")


@pytest.mark.parametrize(
    ("game", "code", "says"),
    [("2021020330", 5, "game 2021020330 is not in the history; ping it first"), ("12", 2, "is not a game id")],
)
def test_command_says_why_there_is_no_picture(
    folder: Path,
    tmp_path: Path,
    game: str,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XG_DATA_DIR", str(folder))
    try:
        found = main([game])
    except SystemExit as ended:  # by argparse
        found = ended.code if isinstance(ended.code, int) else -1
    assert found == code
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_page_offers_the_picture_and_draws_nothing_until_it_is_asked_for(
    folder: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> bytes:
        raise AssertionError("drawn before the click")

    monkeypatch.setattr("ui.parts.game.picture.picture_of", draw)
    page = page_opener(monkeypatch, folder, NOWHERE, service.url)(str(SAMPLE))
    (button,) = page.get("download_button")
    assert button.proto.label == "Download picture"
