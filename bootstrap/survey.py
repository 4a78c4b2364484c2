"""What a start wants to know of a place, found out in one go, since the place may be a network volume that hangs."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from bootstrap.door import is_local, leave_probe
from bootstrap.places import Location, door, write_failure
from bootstrap.report import Failure
from bootstrap.store import Environment, Store


@dataclass(frozen=True, slots=True)
class Survey:
    """``others`` are there in want of ``ready``. ``trouble``: why the place cannot be written, or not be used at all.
    ``absent``: there is no such folder. ``free``: bytes.
    """

    ready: Environment | None = None
    others: Sequence[Environment] = ()
    trouble: tuple[str, str, str] | None = None
    absent: bool = False
    free: int = 0

    @property
    def failure(self) -> Failure | None:
        """The trouble, to be raised or told."""
        return Failure(*self.trouble) if self.trouble else None  # type: ignore[arg-type]

    @property
    def writable(self) -> bool:
        """Whether an environment could be laid there, space aside."""
        return not self.absent and self.trouble is None


def survey(location: Location, name: str) -> Survey:
    """Look for the fingerprint ``name`` in a place; of a network volume for a limited time only."""
    if is_local(location.root):
        return _look(location, name)
    from bootstrap.apart import on_volume, within

    try:
        return on_volume(location.root, lambda: _look(location, name), within(door(location.root).limit))
    except Failure as failure:
        return Survey(trouble=(failure.cause, failure.reason, failure.fix))


def _look(location: Location, name: str) -> Survey:
    store = Store(location)
    failure, absent, free = None, False, 0
    try:
        location.check_writable()
        if not is_local(location.root):
            leave_probe(location.root)
        free = shutil.disk_usage(location.root).free
    except FileNotFoundError:
        absent = True
    except Failure as told:
        failure = told
    except OSError as error:
        failure = write_failure(error, location.kind)
    trouble = (failure.cause, failure.reason, failure.fix) if failure else None
    ready = store.ready(name)
    return Survey(ready, () if ready else store.others(name), trouble, absent, free)
