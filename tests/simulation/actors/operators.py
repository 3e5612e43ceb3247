"""Those who decide which models there are: the operator of the service, a rescore, and a training."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from db.history import History
from livegame.client import GameClient
from livegame.rescore import Rescore
from scripts.rescore import chosen
from tests.simulation.actors.models import trained
from tests.simulation.actors.stage import Stage, exit_process, noted, own_process, settings
from tests.simulation.events import Act
from tests.simulation.evidence import Acknowledged
from training.publish import keep
from xgserve.client import ModelDescription, ModelNotLoaded, ServingClient

STOPS_S: Final = 10.0  # between SIGTERM and SIGKILL, as Docker has it


class Operator:
    """Somebody who changes models by HTTP, and notes what the service has answered."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._client = ServingClient(settings().serving_url)
        self._began = stage.scheduler.now

    def swap(self, name: str) -> object:
        """Make a model the active one."""
        active = self._download(name, "champion")
        return self._acknowledged("swap", name, active, None)

    def load(self, name: str) -> object:
        """Load a model as a challenger."""
        self._download(name, "challenger")
        return self._acknowledged("load", name, None, None)

    def promote(self, name: str) -> object:
        """Make a challenger the active model."""
        return self._promote(name, keep=False)

    def promote_and_keep(self, name: str) -> object:
        """Make a challenger the active model, and the active one a challenger."""
        return self._promote(name, keep=True)

    def drop(self, name: str) -> object:
        """Drop a challenger."""
        left = self._client.drop_challenger(self._challenger(name).id)
        return self._acknowledged("drop", name, None, tuple(model.id for model in left.challengers))

    def roll_back(self, _name: str) -> object:
        """Return to the model that was active before."""
        return self._acknowledged("roll back", None, self._client.rollback().model.id, None)

    def look(self, _name: str) -> object:
        """Look at what the service says of itself."""
        ready, model = self._client.ready(), self._client.model()
        listed = [entry for entry in self._client.models() if not hasattr(entry, "problem")]
        return ready.ready, model.id, tuple(model.challengers), len(listed), len(self._client.activations())

    def read_log(self, _name: str) -> object:
        """Read the newest rows of the log."""
        return len(self._client.logs(limit=20))

    def restart(self, _name: str) -> object:
        """Have the service stop, by SIGKILL if it does not within some seconds, and start it."""
        service = self._stage.service
        service.stop()
        if not service.wait_until(lambda: not service.is_running, STOPS_S):
            service.kill()
        if not service.is_running:  # or somebody else has started it
            service.start()
        return service.wait_until(lambda: service.is_listening, STOPS_S)

    def _download(self, name: str, role: Any) -> str:
        workspace, _, rest = name.partition("/")
        model, _, version = rest.partition(":")
        return self._client.download_registry_model(workspace, model, version, role=role).model.id

    def _promote(self, name: str, *, keep: bool) -> object:
        active = self._client.promote(self._challenger(name).id, keep=keep).model.id
        return self._acknowledged("promote and keep" if keep else "promote", name, active, None)

    def _challenger(self, name: str) -> ModelDescription:
        """Return the challenger of this name; the oldest one if there is none."""
        loaded = self._client.challengers().challengers
        if not loaded:
            raise ModelNotLoaded("there is no challenger", code="model_not_loaded")
        return next((model for model in loaded if model.id.startswith(f"{name}@")), loaded[0])

    def _acknowledged(
        self, what: str, about: str | None, active: str | None, challengers: tuple[str, ...] | None
    ) -> object:
        scheduler = self._stage.scheduler
        scheduler.step(f"was told: {what} {active or about}")
        change = Acknowledged(scheduler.now, what, active, challengers, self._began, about)
        self._stage.evidence.acknowledged.append(change)
        return active


_DEEDS: Final[dict[str, Callable[[Operator, str], object]]] = {
    "swap": Operator.swap,
    "load": Operator.load,
    "promote": Operator.promote,
    "promote and keep": Operator.promote_and_keep,
    "drop": Operator.drop,
    "roll back": Operator.roll_back,
    "look": Operator.look,
    "read the log": Operator.read_log,
    "restart": Operator.restart,
}


def operator(stage: Stage, act: Act) -> None:
    """Change models, look at the service, or restart it. `about` is a model as workspace/name:version, or None."""
    with noted(stage, "operator", act.what, act.about) as deed:
        deed.result = _DEEDS[act.what](Operator(stage), act.about or "")
    exit_process(stage)


def rescore(stage: Stage, act: Act) -> None:
    """Run what `scripts/rescore.py` runs. `about` is a model as workspace/name:version; None: all challengers."""
    with noted(stage, "rescore", "rescore", act.about) as run:
        run.result = _rescore(stage, act.about)
    exit_process(stage)


def _rescore(stage: Stage, name: str | None) -> tuple[int, tuple[str, ...]]:
    """Return how many shots were scored, and what was complained of."""
    client, said, scored = GameClient.from_settings(settings()), list[str](), 0
    with client.rescoring():
        for model in _models(client.loaded_models(), name):
            progress = None
            for progress in Rescore(client, client.inputs_of(model), said.append).run():
                stage.scheduler.step(f"rescored {progress.done} of {progress.total} games")
            scored += progress.scored if progress else 0
    return scored, tuple(said)


def _models(loaded: Sequence[ModelDescription], name: str | None) -> Sequence[ModelDescription]:
    if name is None:
        return loaded[1:]
    try:
        return [chosen(name, loaded)]
    except LookupError as error:
        raise ModelNotLoaded(str(error), code="model_not_loaded") from error


def retraining(stage: Stage, act: Act) -> None:
    """Train a model on the history, and put it where the service finds it. `about` are its version and which one."""
    version, number = act.about
    folder = stage.desk / f"trained-{own_process().number}"
    with noted(stage, "retraining", "publish", act.about) as run:
        shots = sum(1 for _ in History(settings().history_db).finished_shots())
        stage.scheduler.step(f"trains on {shots} shots")
        trained(number).write(folder)
        try:
            keep(stage.data_dir, folder, "xg-default", version)
            run.result = version
        except OSError as error:  # a command ends with a line that says so
            run.result = error
    exit_process(stage)
