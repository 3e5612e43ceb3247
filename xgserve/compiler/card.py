"""The card beside an artifact: what its author says about it, checked before anything else reads it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xgserve.errors import ModelError

MAX_CARD_BYTES: Final = 1_000_000
MAX_METRICS_BYTES: Final = 100_000  # every answer that describes the model repeats them
MAX_LEVELS: Final = 20
MAX_POPULATION: Final = 100
MAX_SEASONS: Final = 1_000
LATEST_SEASON: Final = 99_999_999  # 20232024 is one


def read_card(path: Path) -> dict[str, Any]:
    """Return the card, empty if it is missing.

    Raises:
        ModelError: it is too large, no JSON object, nested too deeply, or an entry has another type than it should.
    """
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ModelError(f"card.json is larger than {MAX_CARD_BYTES:,} bytes")
        card = json.loads(path.read_bytes())
        json.dumps(card, ensure_ascii=False).encode()  # half a character, as \ud800, cannot be stored
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"card.json cannot be read: {error}") from error
    if not isinstance(card, dict):
        raise ModelError("card.json must hold a JSON object")
    if not _is_within(card, MAX_LEVELS):
        raise ModelError(f"card.json has lists or objects in each other, more than {MAX_LEVELS} levels deep")
    _check_entries(card)
    return card


def seasons(card: Mapping[str, Any]) -> list[int] | None:
    """Return the training seasons in the card; None if they are missing or not the numbers of seasons."""
    listed = card.get("seasons")
    if not isinstance(listed, list) or len(listed) > MAX_SEASONS:
        return None
    return listed if all(type(season) is int and 0 < season <= LATEST_SEASON for season in listed) else None


def _is_within(value: Any, levels: int) -> bool:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not held or (levels > 0 and all(_is_within(item, levels - 1) for item in held))


def _check_entries(card: Mapping[str, Any]) -> None:
    metrics, population = card.get("metrics"), card.get("population")
    if metrics is not None and not isinstance(metrics, dict):
        raise ModelError('card.json: "metrics" must be an object')
    if len(json.dumps(metrics)) > MAX_METRICS_BYTES:
        raise ModelError(f'card.json: "metrics" is longer than {MAX_METRICS_BYTES:,} bytes')
    if population is not None and not (isinstance(population, str) and len(population) <= MAX_POPULATION):
        raise ModelError(f'card.json: "population" must be text of at most {MAX_POPULATION} characters')
    promised = card.get("golden_probability")
    if promised is not None and not (isinstance(promised, int | float) and 0 <= promised <= 1):
        raise ModelError('card.json: "golden_probability" must be a number from 0 to 1')
