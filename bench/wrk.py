"""Load from wrk (https://github.com/wg/wrk): several clients, each of which sends its next request after an answer."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("%s", "rb")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format('\\n{"p50": %%f, "p99": %%f, "requests": %%d, "us": %%d, "errors": %%d}\\n',
        latency:percentile(50), latency:percentile(99), summary.requests, summary.duration,
        e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """The result of one run; times in seconds."""

    p50: float
    p99: float
    requests: int
    seconds: float


def require_wrk() -> None:
    """End the program with a hint if wrk is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is not installed: apt-get install wrk (Debian, Ubuntu), brew install wrk")


def load(url: str, body: Path, *, clients: int, seconds: int) -> Load:
    """Send the body of a file for `seconds`, or for longer if no answer comes in that time.

    Raises:
        SystemExit: a request failed.
    """
    script = body.with_suffix(".lua")
    script.write_text(SCRIPT % body)
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout=30s", "-s", str(script), url]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = json.loads(finished.stdout.strip().splitlines()[-1])
    if seen["errors"]:
        sys.exit(f"bench: {seen['errors']} of {seen['requests']} requests to {url} failed:\n{finished.stdout}")
    if not seen["requests"]:
        return load(url, body, clients=clients, seconds=3 * seconds)
    return Load(seen["p50"] / 1e6, seen["p99"] / 1e6, seen["requests"], seen["us"] / 1e6)
