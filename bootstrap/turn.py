"""Whose turn it is: among many workers that want one environment in one place, one gets the lease and the others wait."""

import os
import time
from collections.abc import Callable

from bootstrap import lease as leases
from bootstrap.options import Options
from bootstrap.report import Failure, log
from bootstrap.store import Environment, Store

_SAY_EVERY = 15.0


def wait_for_turn(store: Store, name: str, options: Options, check: Callable[[float], None]) -> Environment | leases.Held:
    """The environment once somebody has made it, or the lease to make it; a context manager, not entered yet.

    ``check`` is called before each wait, with the seconds waited so far, and before the lease is taken; it may raise.

    Raises:
        Failure: when the worker that was waited for has failed: those after it would fail too.
        OSError: when the place cannot be written.
    """
    home = store.home(name)
    watch = leases.Watch(options.stale)
    waited_for, said, began = 0, ("", 0.0), time.monotonic()
    while True:
        if environment := store.ready(name):
            return environment
        lease = leases.current(home)
        if lease is not None and lease.outcome is None and not watch.is_dead(lease):
            waited_for = lease.number
            if lease.doing != said[0] or time.monotonic() - said[1] > _SAY_EVERY:
                said = (lease.doing, time.monotonic())
                log(f"another worker builds the environment; waiting ({lease.doing or 'it has just begun'})")
            check(time.monotonic() - began)
            time.sleep(options.poll)
            continue
        if lease is not None and lease.outcome is None:
            log("the worker that built the environment has died; taking over", "WARN")
        elif lease is not None and lease.outcome is not None and lease.number == waited_for and "cause" in lease.outcome:
            log("the build that this worker waited for has failed", "WARN")
            raise Failure(lease.outcome["cause"], str(lease.outcome["reason"]), str(lease.outcome.get("fix", "")))
        check(0.0)
        number = lease.number if lease else 0
        if (held := leases.take(home, number, _owner(), options.beat)) is not None:
            return held
        waited_for = number + 1


def _owner() -> str:
    return os.environ.get("RUNPOD_POD_ID") or f"process {os.getpid()}"
