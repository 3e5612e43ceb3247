"""Requests to the dashboard under any host name, as its own page sends them."""

import socket


def ask(port: int, host: str, path: str, *headers: str) -> bytes:
    """Return the status line of the answer, or nothing if the dashboard is down."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", *headers, "", ""]
            connection.sendall("\r\n".join(lines).encode())
            return connection.recv(4096).split(b"\r\n")[0]
    except ConnectionRefusedError:
        return b""


def opens(port: int, host: str, origin: str | None = None) -> bool:
    """Return whether a page under this name can talk to the dashboard as its own page does."""
    status = ask(
        port,
        host,
        "/_stcore/stream",
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: http://{origin or host}:{port}",
    )
    return b" 101 " in status
