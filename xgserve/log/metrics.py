"""The metrics of `GET /metrics`, in Prometheus' text format."""

from collections.abc import Callable, Iterable
from functools import cache

from msgspec.structs import astuple
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from xgserve.contract import Following
from xgserve.model.model import Model

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one service. Any thread may call any method."""

    def __init__(self, state: "State") -> None:
        self._registry = CollectorRegistry()
        requests = Counter(
            "xg_requests",
            "Requests answered, by route and status",
            ["method", "route", "code"],
            registry=self._registry,
        )
        duration = Histogram(
            "xg_request_duration_seconds",
            "Time to answer, by route",
            ["route"],
            buckets=DURATION_BUCKETS_S,
            registry=self._registry,
        )
        rows = Counter("xg_rows_scored", "Rows scored, by model", ["model"], registry=self._registry)
        self._swaps = Counter(
            "xg_swaps",
            "Attempts to change the loaded models, by role and result (ok, or why it failed)",
            ["role", "result"],
            registry=self._registry,
        )
        self._registry.register(state)
        # looking up a child by its labels takes longer than counting
        self._of = cache(
            lambda method, route, code: (requests.labels(method, route, str(code)), duration.labels(route))
        )
        self._rows_of = cache(rows.labels)

    def request(self, method: str, route: str, code: int, seconds: float) -> None:
        """Count one answered request."""
        counter, histogram = self._of(method, route, code)
        counter.inc()
        histogram.observe(seconds)

    def rows_scored(self, model: Model, rows: int) -> None:
        """Count the rows that a model scored, whether or not the caller got the answer."""
        self._rows_of(model.id).inc(rows)

    def swap(self, result: str, role: str = "champion") -> None:
        """Count one attempt to make a model the champion, or a challenger."""
        self._swaps.labels(role, result).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class State(Collector):
    """What is read at each scrape, not counted."""

    def __init__(
        self,
        active: Callable[[], Model | None],
        challengers: Callable[[], Iterable[Model]],
        following: Callable[[], Following | None],
        dropped_log_rows: Callable[[], int],
    ) -> None:
        self._active = active
        self._challengers = challengers
        self._following = following
        self._dropped_log_rows = dropped_log_rows

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics, as Prometheus' client asks for them."""
        active = self._active()
        yield _info("xg_active_model_info", "The active model", [active] if active else [])
        yield _info("xg_challenger_info", "The loaded challengers", self._challengers())
        if (following := self._following()) is not None:
            works = GaugeMetricFamily(
                "xg_following_works", "1 if what is followed was found and can be used", labels=["what"]
            )
            works.add_metric([following.what], following.problem is None and following.asked_at is not None)
            yield works
        yield CounterMetricFamily(
            "xg_log_rows_dropped", "Log rows lost because the disk failed", value=self._dropped_log_rows()
        )


def _info(name: str, what: str, models: Iterable[Model]) -> Metric:
    info = GaugeMetricFamily(name, what, labels=["id", "workspace", "model", "version", "digest"])
    for model in models:
        info.add_metric(astuple(model.identity), 1)
    return info
