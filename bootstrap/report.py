"""What the bootstrap found or did, handed to the worker in the variable ``F5_BOOTSTRAP_REPORT`` as JSON.

    report = Report.from_environment(os.environ)     # None: the worker did not need the bootstrap
    if report and not report.speech: ...             # no environment: report.reason and report.fix say why and what to do

The fields (all always there):

    status           ready     the environment was there
                     built     it was built by this start, or by another worker while this one waited
                     fallback  it could not be built; an older one that once worked is used, ``reason`` says why
                     failed    there is none: the worker runs on the image's own Python and cannot speak
    place            image, volume, local or none: where the environment lies
    interpreter      the Python that runs the worker (a path: not for answers, see ``public``)
    origin           the Python that the bootstrap ran on, for when the other fails (a path too)
    folder           the folder of the environment in use, or null (a path too)
    fingerprint      names requirements, Python and platform
    cause            null, or one of ``Cause``
    reason, fix      null, or one sentence each: what is wrong and what to do; no path, no credentials
    warnings         sentences: what works, but not well
    refresh_after    null, or seconds of this worker's life after which a speech job's error may carry ``refresh_worker``:
                     a new worker tries again, but never in a tight loop
    seconds          {"total", and where they took place "waiting", "installing", "checking"}
    size             bytes of the installed packages, or null
    versions         the installed packages that matter, by name
"""

import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

VARIABLE = "F5_BOOTSTRAP_REPORT"

Status = Literal["ready", "built", "fallback", "failed"]
Place = Literal["image", "volume", "local", "none"]
Cause = Literal[
    "package",  # a requirement does not exist, or not for this Python
    "build",  # a source package does not build
    "network",  # the package index does not answer
    "denied",  # the package index refuses
    "disk",  # no space, or the quota is used up
    "read_only",  # nothing can be written
    "interpreter",  # no environment can be made with this Python, or it does not run
    "installer",  # neither uv nor pip, or one that fails for no reason we know
    "import",  # installed, but the worker cannot import it
    "time",  # not done within the time the platform gives
    "crash",  # a fault of the bootstrap itself
]

REFRESH_AFTER = 600.0
"""Seconds that a worker without an environment stays before it asks for a successor."""


@dataclass(frozen=True, slots=True)
class Report:
    """See the module's docstring. Times are seconds, sizes are bytes."""

    status: Status
    place: Place
    interpreter: str
    folder: str | None
    fingerprint: str
    cause: Cause | None = None
    reason: str | None = None
    fix: str | None = None
    warnings: tuple[str, ...] = ()
    refresh_after: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    size: int | None = None
    origin: str = sys.executable
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def without(cls, failure: "Failure") -> "Report":
        """The report of a start on this very Python, for want of an environment."""
        return cls(
            *("failed", "none", sys.executable, None, ""),
            cause=failure.cause,
            reason=failure.reason,
            fix=failure.fix,
            refresh_after=REFRESH_AFTER,
        )

    @property
    def speech(self) -> bool:
        """Whether the worker has an environment that it can speak with."""
        return self.status != "failed"

    def public(self) -> dict[str, Any]:
        """The report without the paths of this machine, for ``health`` and for errors."""
        shown = {name: value for name, value in self.as_dict().items() if name not in ("interpreter", "origin", "folder")}
        return {**shown, "mend": self.fix}  # the name that ``fix`` had

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "warnings": list(self.warnings)}

    def to_json(self) -> str:
        """One line."""
        return json.dumps(self.as_dict(), ensure_ascii=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Report | None":
        """The report that the bootstrap handed over; ``None`` without one, or if it cannot be read."""
        try:
            values = json.loads(environment.get(VARIABLE, ""))
            known = {item.name: values[item.name] for item in fields(cls) if item.name in values}
            return cls(**{**known, "warnings": tuple(known.get("warnings", ()))})
        except (ValueError, TypeError, KeyError):
            return None


class Failure(Exception):  # noqa: N818 - it is an outcome, caught in one place
    """There is no environment. ``reason`` and ``fix`` are sentences without paths or credentials."""

    def __init__(self, cause: Cause, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.cause: Cause = cause
        self.reason = reason
        self.fix = fix

    def logged(self, cause: BaseException | None = None) -> "Failure":
        """This failure, once it stands in the log, with the traceback of its cause, or of what is being handled."""
        if (cause := cause or sys.exception()) is not None:
            log("".join(traceback.format_exception(cause)), "ERROR")
        log(f"{self.reason} {self.fix}", "ERROR")
        return self


CRASH = Failure("crash", "The bootstrap itself has failed; its log says where.", "Please report it with the worker's log.")
BROKEN = Failure(
    "import",
    "The environment was whole when it was built, and its packages cannot be imported any more.",
    "Start a new worker; it will build the environment again.",
)
NOT_RUNNING = Failure(
    "interpreter",
    "The interpreter of the environment cannot be run.",
    "Start a new worker; it will build the environment again.",
)


def log(message: str, level: Literal["INFO", "WARN", "ERROR"] = "INFO") -> None:
    """One line on stderr, shaped as the SDK's own."""
    sys.stderr.write(f"{level:<7}| bootstrap: {message}\n")
    sys.stderr.flush()
