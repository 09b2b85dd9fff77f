"""What a deployment of the ledger takes, and how entries are made to fit an older one.

A deployment says of itself which kinds of events and which columns it knows (``about``). To an older one a row goes
without the columns that it does not know, and whole again, at the same version, once it does: the ledger's rule that of
equal versions the row with more fields wins makes the whole one stand. An event of a kind that it does not know waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from msgspec import Struct
from msgspec.structs import replace

from tap.core.model import Entry, Op

__all__ = ["CONTRACT", "DEFAULT_MODULE", "DEPLOY", "LOGS", "OLDEST", "Deployment", "fitted", "read_deployment"]

DEFAULT_MODULE = "production"
"""The module of a deployment that the ledger's functions are in, unless an app has them elsewhere."""

CONTRACT = 2
"""What this tap writes: the number of ``about.ts``. A deployment that says as much, or more, takes all of it."""

DEPLOY = "deploy the functions: 'npx convex deploy' (production), 'npx convex dev --once' (dev)"
LOGS = "look into the deployment's logs: 'npx convex logs --prod' (production), 'npx convex logs' (dev)"

_MOST_NAMES = 10_000


class Deployment(Struct, frozen=True, kw_only=True):
    """What one deployment takes, and what the key that asked may do there."""

    contract: int
    kinds: frozenset[str]
    triggers: frozenset[str]
    columns: Mapping[Op, frozenset[str]]
    """By table, with those inside objects and lists of objects, dotted; free JSON by its name alone."""
    functions: frozenset[str] = frozenset()
    venues: frozenset[str] | None = None
    """What the key is for; None where that is every venue, or is not told."""
    may: frozenset[str] | None = None
    """``write``, ``read``, ``forget``; None where it is not told."""

    @property
    def older(self) -> bool:
        """It knows less than this tap writes."""
        return self.contract < CONTRACT

    def serves(self, venue: str) -> bool:
        """Whether the key is for this venue, as far as is told."""
        return self.venues is None or venue in self.venues


def read_deployment(said: Any) -> Deployment:
    """What a deployment's ``about`` answered.

    Raises:
        ValueError: No ledger would say that.
    """
    try:
        contract, columns, venues = said["contract"], said["columns"], said["venues"]
        if type(contract) is not int or not 1 <= contract <= _MOST_NAMES:
            raise ValueError("no contract")
        return Deployment(
            contract=contract,
            kinds=_names(said["kinds"]),
            triggers=_names(said["triggers"]),
            columns={op: _names(columns[op]) for op in get_args(Op)},
            functions=_names(said["functions"]),
            venues=None if venues == "all" else _names(venues),
            may=_names(said["may"]),
        )
    except (TypeError, KeyError) as error:
        raise ValueError("nothing about a ledger") from error


def _names(said: Any) -> frozenset[str]:
    """A list of names, bounded: what a deployment says of itself is not trusted."""
    if not isinstance(said, list) or len(said) > _MOST_NAMES or not all(isinstance(name, str) for name in said):
        raise ValueError("no names")
    return frozenset(said)


def fitted(entry: Entry, deployment: Deployment) -> Entry | None:
    """The entry as this deployment takes it.

    Returns:
        The same object where it is taken whole; None where it has to wait until the deployment is newer.
    """
    if not deployment.older:
        return entry
    fields = dict(entry.fields)
    if entry.op == "event":
        if fields.get("kind") not in deployment.kinds:
            return None
        if fields.get("trigger", "") not in deployment.triggers:
            fields.pop("trigger", None)
    columns = deployment.columns[entry.op]
    if entry.op == "session" and "media" in fields and "media.path" not in columns:
        # 0.1.0 took bare paths.
        fields["media"] = [file["path"] if isinstance(file, Mapping) else file for file in fields["media"]]
    kept = _known(fields, columns, "")
    return entry if kept == entry.fields else replace(entry, fields=kept)


def _known(fields: Mapping[str, Any], columns: frozenset[str], under: str) -> dict[str, Any]:
    """Those of the columns that are known, and of objects in them those of their columns."""
    return {
        name: _inside(value, columns, f"{under}{name}.")
        for name, value in fields.items()
        if f"{under}{name}" in columns
    }


def _inside(value: Any, columns: frozenset[str], under: str) -> Any:
    """A column's value without what the deployment does not know in it; free JSON is left as it is."""
    if not any(name.startswith(under) for name in columns):
        return value  # free JSON, or none of it
    if isinstance(value, Mapping):
        return _known(value, columns, under)
    if isinstance(value, (list, tuple)):
        return [_inside(item, columns, under) for item in value]
    return value


def _columns(told: str) -> frozenset[str]:
    return frozenset(told.split())


_HOLD = "hold hold.active hold.by hold.cameraId hold.since"
_HOLDS = " ".join(f"{state}.{name}" for state in ("startState", "finalState") for name in _HOLD.split())

OLDEST = Deployment(
    contract=1,
    kinds=_columns("cut hold release mode_change still_marker still_capture music_moment gap"),
    triggers=_columns("operator ai ghost_approved unknown"),
    columns={
        "session": _columns(
            f"""sessionId sessionType title notes mode startedAt startState startState.at startState.programCameraId
            startState.mode media source source.dialect source.mappingDigest source.serverVersion completedAt endReason
            finalState finalState.programCameraId finalState.mode finalState.camerasOnline finalState.counts
            finalState.gaps finalState.gapMs status {_HOLDS}"""
        ),
        "camera": _columns("cameraId name role device lens placement status joinedAt leftAt"),
        "event": _columns(
            """kind at observedAt cameraId cameraName role fromCameraId fromCameraName trigger transition durationMs
            stillKey detail"""
        ),
        "still": _columns(
            """stillId cameraId cameraName status requestedAt capturedAt uploadedAt storageKey url width height bytes
            sha256 failReason programCameraId programCameraName"""
        ),
    },
)
"""0.1.0, which could not tell: it has no ``about``."""
