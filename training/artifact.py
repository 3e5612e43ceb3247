"""A trained model on disk: `model.skops`, `card.json` for machines, `card.html` for people."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from training.card_page import card_page
from training.errors import ArtifactUnusable

_ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
# What our recipes need beyond the types that skops trusts by itself.
TRUSTED_TYPES: Final = ("numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")


def load(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Read back what `save` wrote: the estimator and the card.

    Raises:
        ArtifactUnusable: something is missing, damaged, or of types that our recipes do not use.
    """
    try:
        card: dict[str, Any] = json.loads((folder / "card.json").read_bytes())
        return skops.io.load(folder / "model.skops", trusted=list(TRUSTED_TYPES)), card
    except (OSError, ValueError, zipfile.BadZipFile, UntrustedTypesFoundException) as error:
        raise ArtifactUnusable(f"{folder} holds no model that can be read: {error}") from error


def save(folder: Path, estimator: Any, card: Mapping[str, Any]) -> None:
    """Write `model.skops`, `card.json` and `card.html`; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.skops").write_bytes(skops_bytes(estimator))
    text = json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")
    (folder / "card.html").write_text(card_page(card), encoding="utf-8")


def skops_bytes(estimator: Any) -> bytes:
    """Return the estimator as a compressed skops file, without timestamps and memory addresses."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        schema = json.loads(source.read("schema.json"))
        renamed: dict[str, str] = {}
        _renumber(schema, {}, renamed)
        contents = [(new, source.read(old)) for old, new in renamed.items()]
        contents.append(("schema.json", json.dumps(schema, separators=(",", ":")).encode()))
        for name, content in contents:
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
    return packed.getvalue()


def _renumber(node: Any, numbers: dict[int, int], files: dict[str, str]) -> None:
    """Replace memory addresses, which skops uses as identities, by their order of appearance; in place."""
    if isinstance(node, list):
        for child in node:
            _renumber(child, numbers, files)
    elif isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if "file" in node and isinstance(node["file"], str):
            suffix = Path(node["file"]).suffix
            node["file"] = files.setdefault(node["file"], f"{len(files)}{suffix}")
        for child in node.values():
            _renumber(child, numbers, files)
