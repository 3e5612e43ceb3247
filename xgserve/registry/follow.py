"""Following: ask Comet every few minutes which version a stage holds, and swap when it holds another one.

`is_due` and `delay_s` are the policy, without clock and network. A model that somebody chose meanwhile, by a request or
a rollback, stays active until the stage holds another version than the one that following made active last.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from secrets import token_hex

from msgspec.structs import replace

from db.serving import LastFollowed
from db.times import now
from xgserve.contract import Following
from xgserve.errors import ArtifactRefused, InvalidName, ModelTooLarge, RegistryError, UnknownModel
from xgserve.names import ModelName
from xgserve.registry.registry import Registry
from xgserve.request_id import request_id
from xgserve.settings import ServiceSettings

logger = logging.getLogger("xgserve.registry")

LONGEST_BACK_OFF_S = 3600.0
LONGEST_RETRY_AFTER_S = 86_400.0  # longer ones are a mistake of the server
JITTER = 0.2  # so that services that were started together do not ask together
JOIN_S = 1.0

# What the same files get each time: the next turn need not download them again.
REFUSALS = (ArtifactRefused, InvalidName, ModelTooLarge)


def delay_s(interval_s: float, failures: int, retry_after_s: float | None, chance: float) -> float:
    """Return the seconds until the next turn: the interval, doubled for each failure in a row up to an hour.

    `chance`, uniform in [0, 1), takes up to a fifth away. A `Retry-After` of the server is never undercut.
    """
    longest = max(interval_s, LONGEST_BACK_OFF_S)
    wait = min(longest, interval_s * 2.0 ** min(failures, 64)) * (1 - JITTER * chance)
    if retry_after_s is None:
        return wait
    return max(wait, min(retry_after_s, LONGEST_RETRY_AFTER_S) * (1 + JITTER * chance))


def is_due(version: str, active: str | None, last: LastFollowed | None, refused: str | None) -> bool:
    """Return whether a version that a stage holds must be made active.

    `active` is the active version of the same model (None: another model is active), `last` what following made active
    last, and `refused` a version that cannot be used.
    """
    if version == refused:
        return False
    if last is None or version != last.version:
        return True
    return version != active and not last.is_overruled  # it could not be loaded when the service started


class Follower:
    """Follows one stage in a thread of its own. `state` may be read by any thread."""

    def __init__(
        self, what: ModelName, interval_s: float, registry: Registry, count_swap: Callable[[str], None]
    ) -> None:
        """Follow the stage that stands in `what` for the version; `count_swap` takes the result of each swap."""
        self.state = Following(str(what))
        self._what = what
        self._interval_s = interval_s
        self._registry = registry
        self._count_swap = count_swap
        self._failures = 0  # in a row
        self._logged: set[str] = set()  # the kinds of failure since it last worked
        self._refusal: tuple[str, str] | None = None  # a version that cannot be used, and why
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def start(self) -> None:
        """Take the first turn now, and others until `close`."""
        logger.info("%s is followed, about every %g s", self._what, self._interval_s)
        self._thread.start()

    def close(self) -> None:
        """Take no more turns. One that is under way may end later, without a swap if it has not begun that."""
        self._stopped.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            wait = self.turn()

    def turn(self) -> float:
        """Ask once and swap if necessary; return the seconds until the next turn."""
        request_id.set(f"follow-{token_hex(4)}")  # its log rows and its activation have it
        retry_after_s, problem = None, None
        asked_at = now()
        try:
            problem = self._follow()
            self._worked()
        except RegistryError as error:
            problem = str(error)
            retry_after_s = error.details.get("retry_after_s")
            self._failed(error, error.code)
        except Exception as error:  # noqa: BLE001 - the thread must go on, and the log has the traceback
            problem = "a fault of the service; its log has the details"
            self._failed(error, "internal")
        self.state = replace(self.state, asked_at=asked_at, problem=problem)
        return delay_s(self._interval_s, self._failures, retry_after_s, random.random())  # noqa: S311

    def _follow(self) -> str | None:
        """Ask for the version, and make it active if it is due; return why it cannot be used, or None.

        Raises:
            RegistryError: Comet did not answer, has no such version, or the version could not be activated now.
        """
        version = self._registry.version_in(self._what)
        self.state = replace(self.state, version=version)
        active = self._active_version()
        if self._refusal is not None and (version != self._refusal[0] or version == active):
            self._refusal = None  # the stage holds another one, or somebody made it work
        last = self._registry.last_followed(self.state.what)
        refused = self._refusal[0] if self._refusal else None
        if is_due(version, active, last, refused) and not self._stopped.is_set():
            self._activate(version)
            last = self._registry.last_followed(self.state.what)
        overruled = last is not None and last.version == version and last.is_overruled and version != active
        self.state = replace(self.state, overruled=overruled)
        return self._refusal[1] if self._refusal else None

    def _active_version(self) -> str | None:
        model = self._registry.active
        if model is None or (model.name.workspace, model.name.name) != (self._what.workspace, self._what.name):
            return None
        return model.name.version

    def _activate(self, version: str) -> None:
        name = ModelName(self._what.workspace, self._what.name, version)
        started = time.monotonic()
        try:
            activation = self._registry.activate_followed(name, self.state.what)
        except RegistryError as error:
            self._count_swap(error.code)
            if not isinstance(error, REFUSALS):
                raise
            self._refusal = version, f"{name} cannot be used: {error}"
            logger.warning(
                "%s is %s now, which cannot be used: %s (%s); %s stays active, until the stage holds another version or"
                " the service is restarted",
                self._what,
                version,
                error,
                error.code,
                self._named_active(),
            )
            return
        self._count_swap("ok")
        took = time.monotonic() - started
        logger.info(
            "%s is active, following %s, from %s, in %.2f s", activation.model.id, self._what, activation.source, took
        )

    def _worked(self) -> None:
        if self._logged:
            logger.info("%s is found again: it is %s", self._what, self.state.version)
        self._logged.clear()
        self._failures = 0

    def _failed(self, error: Exception, kind: str) -> None:
        """Count a failure; log it if it is the first of its kind since it last worked."""
        if not isinstance(error, UnknownModel):  # Comet answers: there is no reason to ask it less often
            self._failures += 1
        if kind in self._logged:
            return
        self._logged.add(kind)
        logger.warning(
            "%s cannot be followed now: %s (%s); %s stays active. This is logged once, and when it is over",
            self._what,
            error,
            kind,
            self._named_active(),
            exc_info=None if isinstance(error, RegistryError) else error,
        )

    def _named_active(self) -> str:
        active = self._registry.active
        return active.id if active else "no model"


def follower(settings: ServiceSettings, registry: Registry, count_swap: Callable[[str], None]) -> Follower | None:
    """Return the follower that the settings ask for, not started yet; None if they ask for none."""
    if settings.followed is None:
        return None
    return Follower(settings.followed, settings.follow_interval_s, registry, count_swap)
