"""What the tests of the registry share: settings that point at the stand-in, and models put in the cache."""

from pathlib import Path
from typing import Any

from tests.xgserve.helpers import load_model
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from xgserve.errors import RegistryError
from xgserve.names import ModelName
from xgserve.registry.cache import ModelCache
from xgserve.registry.registry import Registry
from xgserve.settings import ServiceSettings


def settings(data_dir: Path, standin: StandIn | None = None, **changes: Any) -> ServiceSettings:
    """Return the settings of a service with the stand-in as its Comet, and with a default that loads quickly."""
    access = {"comet_api_key": KEY, "comet_url": standin.url} if standin else {}
    return ServiceSettings(data_dir=data_dir, **({"default_model": "bundled/xg-distance"} | access | changes))


def put_in_cache(data_dir: Path, version: str, intercept: float, *, workspace: str = "acme") -> ModelName:
    """Put a good model `<workspace>/shots` in the cache, as a download leaves it there."""
    name = ModelName(workspace, "shots", version)
    cache = ModelCache(data_dir / "models")
    with cache.temporary() as room:
        ready = room / "ready"
        ready.mkdir()
        for file, content in hostile.good(intercept).items():
            (ready / file).write_bytes(content)
        load_model(ready / "model.skops", name)
        cache.publish(ready, name, "model.skops")
    return name


def refusal(registry: Registry, workspace: str, model: str, version: str | None) -> RegistryError:
    """Ask for a model that must not become active, and return why it did not."""
    before = registry.active
    try:
        activation = registry.activate(workspace, model, version)
    except RegistryError as error:
        assert registry.active is before
        return error
    raise AssertionError(f"{activation.model.id} became active")


def bytes_below(folder: Path) -> int:
    """Return how much the files of a folder hold."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
