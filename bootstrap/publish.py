"""Copies a new environment from the local disk to the network volume, in a process of its own beside the worker:
``python -m bootstrap.publish ROOT BUILD LOCK WAITING``, started by ``start``.

It leaves the processor to the worker until that has spoken for the first time, or has had the time for it. A network volume
answers slowly and many questions at once, so many files are copied at once. One of many workers copies (turn.py); the marker
comes last, so nothing half-made is ever used. Where the volume hangs this process hangs with it, and nobody else; where it
fails, it is tried again.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from bootstrap import places, sweep
from bootstrap.copying import Copy
from bootstrap.door import is_local
from bootstrap.lease import LeaseLost
from bootstrap.options import Options
from bootstrap.places import FULL, Location, write_failure
from bootstrap.publication import PIPE, Note, take_lock
from bootstrap.report import Failure, log
from bootstrap.room import gb
from bootstrap.store import Environment, Store
from bootstrap.turn import wait_for_turn

_PAUSES = (5.0, 15.0, 60.0, 300.0)
"""Seconds before a volume that fails is tried again; the last one for ever after."""
_TRIES_IF_FULL = 3
"""A volume whose storage comes back piece by piece is full for a moment."""
_LOOK_EVERY = 2.0


def start(project: Path, root: Path, environment: Environment, variables: Mapping[str, str]) -> None:
    """Let a process of its own copy the environment to the volume at ``root``. It ends when that is done."""
    build = environment.interpreter.parent.parent
    try:
        lock = take_lock(environment.home)
        if lock is None:
            return  # it is being copied by this container already
        Note(environment.home, lock).write(status="waiting")
        waiting, speaking = os.pipe()
        subprocess.Popen(
            [sys.executable, "-E", "-S", "-m", "bootstrap.publish", str(root), str(build), str(lock), str(waiting)],
            cwd=project,
            env=dict(variables),
            pass_fds=[lock, waiting],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # its log goes where ours goes
        )
        os.close(lock)
        os.close(waiting)
        os.set_inheritable(speaking, True)  # this process becomes the worker
        os.environ[PIPE] = str(speaking)
    except OSError as error:
        log(f"the environment cannot be copied to the network volume ({error.strerror})", "WARN")


def main(root: Path, build: Path, lock: int, waiting: int) -> None:
    """Copy until it is there, or until it is clear that it cannot be."""
    signal.signal(signal.SIGTERM, _leave)
    os.nice(10)
    note = Note(build.parent, lock)
    options = Options.read(os.environ)
    select.select([waiting], [], [], options.head_start)
    pauses, full = iter(_PAUSES), 0
    while True:
        note.write(status="waiting")
        _wait_for_volume(root)
        try:
            _publish(Store(Location("volume", root)), build, options, note)
            return
        except LeaseLost:
            log("another worker copies the environment now", "WARN")
        except (Failure, OSError) as error:
            failure = error if isinstance(error, Failure) else write_failure(error, "volume")
            note.fail(failure)
            log(f"the environment was not copied to the network volume: {failure.reason} {failure.fix}", "WARN")
            if isinstance(error, OSError) and error.errno not in FULL:
                full = 0
            elif failure.cause != "disk" or (full := full + 1) == _TRIES_IF_FULL:
                return
            time.sleep(next(pauses, _PAUSES[-1]))


def _wait_for_volume(root: Path) -> None:
    door, said = places.door(root), False
    # While it is mounted anew, its folder is an empty one of this machine; while its storage is away, it has a size of 0.
    while (verdict := door.look()).trouble or not verdict.folder or is_local(root) or not verdict.total:
        if not said:
            why = "The network volume has no storage now." if verdict.folder else "There is no network volume now."
            log(f"{verdict.trouble or why} The environment is copied there once it answers", "WARN")
        said = True
        time.sleep(_LOOK_EVERY)


def _publish(store: Store, build: Path, options: Options, note: Note) -> None:
    began = time.monotonic()
    store.venvs.mkdir(parents=True, exist_ok=True)
    found = wait_for_turn(store, build.parent.name, options, lambda _: None)
    if isinstance(found, Environment):
        note.write(status="done", seconds=0.0)
        log("the environment is on the network volume: another worker was quicker")
        return
    outcome: dict[str, Any] = {"status": "stopped"}
    with found as held:
        copy = Copy(store, build, held, note)
        try:
            if store.ready(build.parent.name) is None:
                copy.run()
            outcome = {"status": "ready"}
        except Failure as failure:
            outcome = {"status": "failed", "cause": failure.cause, "reason": failure.reason, "fix": failure.fix}
            raise
        finally:
            if not held.lost:
                held.finish(outcome)
    seconds = time.monotonic() - began
    note.write(status="done", files=copy.files, size=copy.size, seconds=round(seconds, 1))
    log(
        f"the environment is on the network volume after {seconds:.0f} s: {copy.files} files, {gb(copy.size)}, "
        f"which take {gb(copy.blocks)} there"
    )
    sweep.main(store.location.root, build.parent.name, "")


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
