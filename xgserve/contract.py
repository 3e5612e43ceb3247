"""The service's HTTP contract as types: what it answers, what it reads, and what its client returns.

`web/openapi.py` builds the OpenAPI document from them. The dashboard's image has this file without the rest of the
service, so it imports nothing of the service but `names`.
"""

from typing import Annotated, Any, Final, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from xgserve.names import NAME

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LEVELS: Final[tuple[str, ...]] = get_args(Level)

Source = Literal["bundled", "cache", "registry"]
Role = Literal["champion", "challenger"]
ServedBy = Literal["graph", "worker"]
Scalar = str | int | float | bool | None
Probability = Annotated[float, Meta(ge=0, le=1)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]

_NAME: Final = Meta(min_length=1, extra_json_schema={"pattern": f"^{NAME.pattern}$"})


class ModelRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which model to load."""

    workspace: Annotated[str, _NAME, Meta(description="`bundled`, or a workspace of the registry")]
    model: Annotated[str, _NAME]
    version: Annotated[
        str | Annotated[float, Meta(ge=0, lt=1_000_000, multiple_of=1)] | None,
        Meta(
            description="a version or a stage such as Production; a whole number n is short for `n.0.0`; the newest if"
            " left out"
        ),
    ] = None
    role: Annotated[
        Role,
        Meta(description="`champion`: the active model, which predicts; `challenger`: loaded beside it"),
    ] = "champion"


class PromoteRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which challenger to make the champion."""

    id: Annotated[str, Meta(min_length=1, description="the id of a challenger")]
    keep: Annotated[bool, Meta(description="whether the former champion becomes a challenger")] = False


class ModelIdentity(Struct, frozen=True):
    """Exactly one artifact: its id, and the parts of the id."""

    id: Annotated[str, Meta(description="`workspace/model:version@sha256:<12 hex>`")]
    workspace: str
    model: str
    version: str
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the artifact")]


class Predictions(Struct, frozen=True):
    """P(goal) of each row of a frame, and the model that gave it."""

    predictions: Annotated[list[Probability], Meta(description="P(goal), one for each row, in the frame's order")]
    index: Annotated[list[Any], Meta(description="the rows' labels, as pandas writes them")]
    model: ModelIdentity


class ColumnDescription(Struct, frozen=True):
    """One column that the model expects."""

    name: str
    kind: Literal["number", "category"]
    nullable: Annotated[bool, Meta(description="whether null is accepted")]
    categories: list[Scalar] | UnsetType | None = UNSET
    takes_unknown: Annotated[bool, Meta(description="whether unseen categories are accepted")] | UnsetType = UNSET


class LibraryVersions(Struct, frozen=True):
    """The library that made the artifact, its version then, and the version that opened it here."""

    name: Annotated[str, Meta(description="such as scikit-learn or xgboost")]
    artifact: Annotated[str | None, Meta(description="null if the artifact does not say it")]
    here: str


class GoldenRow(Struct, frozen=True):
    """A row that is scored whenever the model is checked, and the probability that must come out."""

    values: dict[str, Scalar]
    probability: Probability


class ModelDescription(ModelIdentity, frozen=True):
    """A loaded model: identity, columns, and what its card says."""

    features: Annotated[list[ColumnDescription], Meta(description="the columns that a frame must have, no others")]
    library: LibraryVersions
    served_by: Annotated[
        ServedBy, Meta(description="a graph in the service's process, or a worker process that holds the artifact")
    ]
    agreement: Annotated[
        float | None, Meta(description="the graph's largest difference from the library's own probabilities")
    ]
    not_compiled: Annotated[str | None, Meta(description="why a worker serves")]
    loaded_at: Time
    golden_row: GoldenRow
    population: Annotated[str | None, Meta(description="the attempts that it was made for: unblocked or on-goal")]
    metrics: Annotated[Any, Meta(description="what its card says about its quality")]
    trained_on: Annotated[
        list[int] | None, Meta(description="the seasons that it learned from, such as 20222023; null if unknown")
    ]
    warnings: list[str]


class ActiveModel(ModelDescription, frozen=True, kw_only=True):
    """The active model, and which challengers are loaded beside it."""

    challengers: Annotated[list[str], Meta(description="the ids of the loaded challengers, the oldest first")]


class Activated(Struct, frozen=True):
    """The model that is loaded from now on, as what, and where it came from."""

    source: Source
    role: Role
    model: ModelDescription


class MissingChallenger(ModelIdentity, frozen=True):
    """A recorded challenger that is not loaded."""

    problem: str


class Challengers(Struct, frozen=True):
    """The models that are loaded beside the active one, the oldest first."""

    challengers: list[ModelDescription]
    missing: Annotated[
        list[MissingChallenger],
        Meta(description="recorded challengers that are not loaded, and why; each start tries them again"),
    ]
    max: Annotated[int, Meta(description="how many challengers may be loaded (XG_MAX_CHALLENGERS)")]


class ModelEntry(Struct, frozen=True):
    """A model that can be loaded."""

    workspace: str
    model: str
    version: str
    source: Source
    stages: list[str]
    active: bool
    challenger: Annotated[bool, Meta(description="whether it is loaded as a challenger")]


class RegistryProblem(Struct, frozen=True):
    """Why the registry's own models are not listed, or not all of them."""

    source: Literal["registry"]
    problem: str


class Models(Struct, frozen=True):
    """The models that can be loaded now, and the active one."""

    models: Annotated[
        list[Any],  # `ModelEntry`, or `RegistryProblem`: msgspec cannot distinguish types without a tag
        Meta(
            extra_json_schema={
                "items": {
                    "oneOf": [{"$ref": f"#/components/schemas/{t.__name__}"} for t in (ModelEntry, RegistryProblem)]
                }
            }
        ),
    ]
    active: ModelIdentity | None


class ActivationRow(Struct, frozen=True):
    """One activation on record."""

    at: Time
    workspace: str
    model: str
    version: str
    digest: str
    source: str
    request_id: str | None
    followed: Annotated[str | None, Meta(description="what `XG_FOLLOW` names, if following made it active")] = None


class Activations(Struct, frozen=True):
    """The activations on record, newest first."""

    activations: list[ActivationRow]


class LogRow(Struct, frozen=True):
    """One row of the log."""

    id: int
    at: Time
    level: Level
    logger: str
    message: str
    request_id: str | None
    exception: str | None


class Logs(Struct, frozen=True):
    """Rows of the log, newest first."""

    logs: list[LogRow]
    next_before: Annotated[int | None, Meta(description="`before` for the next page; null on the last")]


class Health(Struct, frozen=True):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Check(Struct, frozen=True):
    """The state of one dependency."""

    ok: bool
    id: str | UnsetType = UNSET
    golden_probability: Probability | UnsetType = UNSET
    problem: str | UnsetType = UNSET


class Checks(Struct, frozen=True):
    """The state of each dependency."""

    model: Check
    database: Check
    stored_model: Annotated[Check, Meta(description="whether the model that was active before the start was loaded")]


class Following(Struct, frozen=True):
    """What the service follows in the registry, and how that goes. It predicts either way."""

    what: Annotated[str, Meta(description="`workspace/model:stage`, as `XG_FOLLOW` names it")]
    version: Annotated[str | None, Meta(description="the version that this was when the registry last answered")] = None
    asked_at: Annotated[Time | None, Meta(description="when the registry was last asked")] = None
    overruled: Annotated[
        bool, Meta(description="whether another model was chosen since; it stays until what is followed moves")
    ] = False
    problem: Annotated[str | None, Meta(description="why it cannot be followed now")] = None


class Ready(Struct, frozen=True):
    """Whether the service can predict."""

    ready: bool
    checks: Checks
    following: Following | None = None


class ErrorBody(Struct, frozen=True):
    """What went wrong, and, by code, details such as rows, columns or the active model."""

    code: str
    message: str
    request_id: str


class Error(Struct, frozen=True):
    """The answer to a request that failed."""

    error: ErrorBody
