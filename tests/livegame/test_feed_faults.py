"""Faults of HTTP and of the feed's server: an error that says what to do, in bounded time."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from livegame.errors import FeedMalformed, FeedUnavailable
from livegame.feed import RETRIES, Feed
from tests.games import GAME_ID, FeedServer, feed_server, serving
from tests.helpers import fetched
from tests.livegame.dirty import PATH, changed, clean


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_answer_in_any_encoding_is_read(feed: FeedServer, encoding: str) -> None:
    shown = clean()
    shown["rosterSpots"][0]["lastName"]["default"] = "Stützle"
    feed.answer(PATH, json.dumps(shown, ensure_ascii=False).encode(encoding))
    read = fetched(Feed(feed.url), GAME_ID)
    assert (read.players[8478427].name, len(read.shots)) == ("Sebastian Stützle", 4)


def test_number_longer_than_python_reads_costs_only_its_play(feed: FeedServer) -> None:
    text = json.dumps(changed("details.xCoord", 424242)).replace("424242", "9" * 5000)
    feed.answer(PATH, text.encode())
    read = fetched(Feed(feed.url), GAME_ID)
    assert (len(read.shots), read.problems) == (3, ("event 13: details.xCoord is inf",))


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (418, 1), (500, 1 + RETRIES), (503, 1 + RETRIES)])
def test_failing_feed_is_requested_again_only_for_server_errors(feed: FeedServer, status: int, asked: int) -> None:
    feed.answer(PATH, b"<html>no</html>", status=status)
    with pytest.raises(FeedUnavailable, match=str(status)):
        fetched(Feed(feed.url), GAME_ID)
    assert len(feed.requests) == asked


def test_feed_that_answers_429_is_not_requested_again(feed: FeedServer) -> None:
    feed.answers[PATH] = (429, {"Retry-After": "3600"}, b"")
    with pytest.raises(FeedUnavailable, match="3600 s"):  # told at once, or the test would take an hour
        fetched(Feed(feed.url), GAME_ID)
    assert len(feed.requests) == 1


@pytest.mark.parametrize("moved", ["/v1/score/2021-11-28", "{url}/v1/score/2021-11-28"])
def test_redirect_within_the_feed_is_followed(feed: FeedServer, moved: str) -> None:
    feed.answers["/v1/score/now"] = (307, {"Location": moved.format(url=feed.url)}, b"")
    feed.answer("/v1/score/2021-11-28", json.dumps({"currentDate": "2021-11-28", "games": []}).encode())
    assert Feed(feed.url).day().games == ()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_server_is_not_followed(feed: FeedServer, status: int) -> None:
    with feed_server() as other:
        other.show(clean())
        feed.answers[PATH] = (status, {"Location": other.url + PATH}, b"")
        with pytest.raises(FeedUnavailable, match="XG_FEED_URL"):
            fetched(Feed(feed.url), GAME_ID)
        assert other.requests == []


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "//169.254.169.254/", "http://[::1", "http://a:b/", "gopher:"]
)
def test_malformed_redirect_is_feed_unavailable(feed: FeedServer, target: str) -> None:
    feed.answers[PATH] = (302, {"Location": target}, b"")
    with pytest.raises(FeedUnavailable):
        fetched(Feed(feed.url), GAME_ID)


def test_circular_redirects_are_feed_unavailable(feed: FeedServer) -> None:
    feed.answers[PATH] = (302, {"Location": PATH}, b"")
    with pytest.raises(FeedUnavailable, match="one address to the next"):
        fetched(Feed(feed.url), GAME_ID)
    assert len(feed.requests) < 6


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"\r\n"],
    ids=["status line", "header", "body", "body without end"],
)
def test_trickling_feed_is_unavailable_after_the_deadline(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegame.deadline.DEADLINE_S", 0.5)
    with trickling(head) as url, pytest.raises(FeedUnavailable, match=r"0\.5 s"):  # nothing else would end it
        fetched(Feed(url), GAME_ID)


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """A server that sends these bytes at once and then one byte every 50 ms, for ever."""
    stop = threading.Event()

    class Trickle(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            try:
                self.request.sendall(head)
                while not stop.wait(0.05):
                    self.request.sendall(b"1")
            except OSError:  # hung up on us, as it should
                pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    server.daemon_threads = True
    with serving(server) as url:
        try:
            yield url
        finally:
            stop.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        b"",
    ],
)
def test_answer_that_is_barely_http_is_a_feed_error(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises((FeedUnavailable, FeedMalformed)):
            fetched(Feed(f"http://127.0.0.1:{listener.getsockname()[1]}"), GAME_ID)
        listener.shutdown(socket.SHUT_RDWR)
