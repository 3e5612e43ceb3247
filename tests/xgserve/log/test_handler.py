"""The log on disk: complete, bounded, without secrets, and never waited for by a request."""

import io
import logging
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

import pytest

from db.connection import transaction
from db.serving import LogQuery, LogRow, insert_logs, open_serving, read_logs
from db.times import timestamp
from tests.helpers import wait_until
from xgserve.log import handler as handler_module
from xgserve.log.handler import LogHandler
from xgserve.request_id import choose_id, request_id
from xgserve.settings import ServiceSettings

ALL = LogQuery(limit=100_000)


@contextmanager
def logging_to(settings: ServiceSettings, stream: TextIO | None = None) -> Iterator[tuple[logging.Logger, LogHandler]]:
    handler = LogHandler(settings, stream)
    logger = logging.Logger("test")  # its own, so that tests do not share handlers
    logger.addHandler(handler)
    try:
        yield logger, handler
    finally:
        handler.close()


def test_rows_of_many_threads_are_all_written_at_a_clean_stop(tmp_path: Path) -> None:
    with logging_to(ServiceSettings(data_dir=tmp_path)) as (logger, _):

        def work(number: int) -> None:
            request_id.set(f"request-{number}")
            for i in range(250):
                logger.info("%d/%d", number, i)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
    rows = read_logs(tmp_path / "serving.db", ALL)
    assert len(rows) == 2000
    for number in range(8):
        own = [row["message"] for row in reversed(rows) if row["request_id"] == f"request-{number}"]
        assert own == [f"{number}/{i}" for i in range(250)]


def test_row_is_readable_as_soon_as_logged(tmp_path: Path) -> None:
    with logging_to(ServiceSettings(data_dir=tmp_path)) as (logger, handler):
        for i in range(20):
            logger.warning("row %d", i)
            assert handler.read(LogQuery(limit=1))[0]["message"] == f"row {i}"


def test_row_keeps_level_logger_message_and_traceback_apart(tmp_path: Path) -> None:
    with logging_to(ServiceSettings(data_dir=tmp_path)) as (logger, handler):
        try:
            raise ValueError("why")
        except ValueError:
            logger.exception("what")
        (row,) = handler.read(ALL)
    assert (row["level"], row["logger"], row["message"]) == (logging.ERROR, "test", "what")
    assert row["exception"].startswith("Traceback")
    assert row["exception"].endswith("ValueError: why")


def test_secrets_are_redacted_from_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ServiceSettings(data_dir=tmp_path, comet_api_key="k3y-0f-comet", admin_token="t0ken")
    with logging_to(settings, sys.stderr) as (logger, handler):
        try:
            raise ValueError("https://example.org/?apiKey=k3y-0f-comet")
        except ValueError:
            logger.exception("key %s and token %s", "k3y-0f-comet", "t0ken")
        rows = handler.read(ALL)
    shown = capsys.readouterr().err + str(rows) + repr(settings)
    assert "k3y-0f-comet" not in shown
    assert "t0ken" not in shown
    assert "key [redacted] and token [redacted]" in rows[0]["message"]


@pytest.mark.parametrize("cut", [8, 11, 23])
def test_secret_cut_short_is_redacted(tmp_path: Path, cut: int) -> None:
    key = "k3y-0f-comet-and-nobody-else"
    with logging_to(ServiceSettings(data_dir=tmp_path, comet_api_key=key, admin_token="k3y-0f-x"), None) as (
        logger,
        handler,
    ):
        logger.info("GET /%s 404 in 1 ms", ("x" * 100 + key)[: 100 + cut])
        (row,) = handler.read(ALL)
    assert row["message"] == f"GET /{'x' * 100}[redacted] 404 in 1 ms"


def test_log_goes_to_the_stream_while_the_disk_fails(tmp_path: Path) -> None:
    blocked, stream = tmp_path / "file", io.StringIO()
    blocked.write_text("no folder")
    with logging_to(ServiceSettings(data_dir=blocked), stream) as (logger, handler):
        logger.info("first")
        wait_until(lambda: handler.problem is not None)
        logger.warning("second")
        wait_until(lambda: "WARNING test [-] second\n" in stream.getvalue())
        blocked.unlink()
    lines = stream.getvalue().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["INFO test [-] first", "WARNING test [-] second"]


@pytest.mark.parametrize("text", ["\ud800", "nul \x00 in it", "x" * 1_000_000, "", "line\nline"])
def test_odd_text_is_logged(tmp_path: Path, text: str) -> None:
    with logging_to(ServiceSettings(data_dir=tmp_path)) as (logger, handler):
        logger.info("%s", text)
        logger.info("after it")
        rows = handler.read(ALL)
    assert [rows[0]["message"], len(rows)] == ["after it", 2]
    assert len(rows[1]["message"]) <= handler_module.MAX_TEXT + 3


def test_message_that_does_not_fit_its_arguments_is_logged(tmp_path: Path) -> None:
    with logging_to(ServiceSettings(data_dir=tmp_path)) as (logger, handler):
        logger.info("%d rows", "many")
        (row,) = handler.read(ALL)
    assert row["message"] == "'%d rows' cannot be formatted with ('many',)"


def test_rows_beyond_the_cap_are_deleted_oldest_first(tmp_path: Path) -> None:
    with logging_to(ServiceSettings(data_dir=tmp_path, log_max_rows=100)) as (logger, handler):
        for i in range(5000):
            logger.info("%d", i)
        handler.flush()
        wait_until(lambda: len(handler.read(ALL)) < 100 + 2 * handler_module.TRIM_EVERY_ROWS)
        newest = handler.read(LogQuery(limit=1))[0]["message"]
    with logging_to(ServiceSettings(data_dir=tmp_path, log_max_rows=100)) as (logger, handler):
        logger.info("a start trims too")
        wait_until(lambda: len(handler.read(ALL)) == 100)
        last = handler.read(ALL)[0]["message"]
    assert (newest, last) == ("4999", "a start trims too")


def test_rows_beyond_the_maximum_age_are_deleted(tmp_path: Path) -> None:
    old, new = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC)
    with closing(open_serving(tmp_path / "serving.db")) as connection:
        rows = [LogRow(timestamp(at), 20, "test", "row", None, None) for at in [old] * 2500 + [new] * 3]
        insert_logs(connection, rows)
    with logging_to(ServiceSettings(data_dir=tmp_path, log_max_days=30)) as (logger, handler):
        logger.info("now")
        wait_until(lambda: len(handler.read(ALL)) == 4)


def test_locked_database_delays_no_request_and_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(handler_module, "open_serving", partial(open_serving, timeout_s=0.1))
    monkeypatch.setattr(handler_module, "RETRY_S", 0.05)
    with closing(open_serving(tmp_path / "serving.db")) as other:
        with logging_to(ServiceSettings(data_dir=tmp_path)) as (logger, handler):
            with transaction(other):
                started = time.perf_counter()
                for i in range(1000):
                    logger.info("%d", i)
                spent = time.perf_counter() - started
                wait_until(lambda: handler.problem is not None)
            wait_until(lambda: len(handler.read(ALL)) == 1000)
            assert handler.problem is None
        assert handler.dropped == 0
    assert spent < 50  # one wait for the lock per row would take 100 s
    assert capsys.readouterr().err.count("the log cannot be written") == 1


def test_disk_that_never_recovers_loses_counted_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(handler_module, "CLOSE_WITHIN_S", 0.3)
    monkeypatch.setattr(handler_module, "QUEUE_ROWS", 50)
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with logging_to(ServiceSettings(data_dir=blocked)) as (logger, handler):
        for _ in range(10_000):
            logger.info("row")
        assert handler.dropped > 0
    assert handler.dropped == 10_000
    assert "rows are lost" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_failing_stderr_does_not_stop_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_module, "RETRY_S", 0.05)
    folder = tmp_path / "data"
    folder.write_text("no folder yet")
    full = io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        with logging_to(ServiceSettings(data_dir=folder)) as (logger, handler):
            logger.info("kept")
            wait_until(lambda: handler.problem is not None)
            folder.unlink()
            wait_until(lambda: handler.problem is None)
            assert [row["message"] for row in handler.read(ALL)] == ["kept"]
    full.detach().close()


def test_row_logged_after_close_is_counted_as_dropped(tmp_path: Path) -> None:
    with logging_to(replace(ServiceSettings(), data_dir=tmp_path)) as (logger, handler):
        logger.info("in time")
    logger.info("too late")
    handler.close()
    assert handler.dropped == 1
    with closing(sqlite3.connect(tmp_path / "serving.db")) as connection:
        assert connection.execute("SELECT message FROM logs").fetchall() == [("in time",)]


def test_request_id_with_a_secret_is_replaced_also_when_percent_encoded() -> None:
    secret = "a+secret/of=16 characters"
    for sent in (secret.replace(" ", "-"), "x%2E", "plain"):
        assert choose_id(sent, [secret]) == sent
    for sent in (f"id-{quote(secret, safe='')}", quote(secret), quote(secret).replace("%2B", "%2b")):
        assert choose_id(sent, [secret]) != sent
