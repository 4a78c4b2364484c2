"""Finds or builds the Python environment that the worker speaks with, before the worker starts. Standard library only.

    python3 setup_network_venv.py            # prints one line, the interpreter to use; logs on stderr
    python3 setup_network_venv.py --check    # prints the state as JSON, changes nothing
    exec "$(python3 setup_network_venv.py)" handler.py

In this order: the environment that was baked into the image; the network volume, if there is one that can be written; a local
folder, which goes with the worker. Whatever goes wrong, the exit code is 0 and the line names a Python that runs: an older
environment that once worked, else this very Python, with which the worker starts and says what is wrong (bootstrap/report.py).
The package ``bootstrap`` does the work; its docstring says where what is.
"""

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bootstrap import places
from bootstrap.options import Options
from bootstrap.report import Failure, Report, Status, log, refresh_after
from bootstrap.store import Environment, Store, fingerprint

PROJECT = Path(__file__).resolve().parent


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Print what the caller asked for. Exits with 2 on wrong arguments, otherwise with 0."""
    asked = _arguments(arguments)
    requirements = tuple(path.resolve() for path in asked.requirements or [PROJECT / "requirements.txt"])
    if asked.check:
        from bootstrap.state import state

        print(json.dumps(state(requirements, asked.root, environment, PROJECT), indent=1))
        return
    signal.signal(signal.SIGTERM, _stop)
    began = time.monotonic()
    report = _report(requirements, asked.root, environment, began)
    print(report.interpreter)
    if asked.launch:
        print(_cache_root(asked.root, environment))
        print(report.to_json())


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Find or build the Python environment of the worker and print its interpreter."
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="use this folder as the network volume; it is made if need be")
    parser.add_argument("--check", action="store_true", help="print the state as JSON and change nothing")
    parser.add_argument(
        "--requirements", type=Path, action="append", metavar="FILE", help="what to install (requirements.txt); may be repeated"
    )
    parser.add_argument(
        "--launch",
        action="store_true",
        help="for start.sh: also print the folder for caches and the report as JSON, a line each",
    )
    asked = parser.parse_args(arguments)
    for path in asked.requirements or ():
        if not path.is_file():
            parser.error(f"argument --requirements: there is no file {path}")
    return asked


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM: leave through the ``finally`` blocks, so that a waiting worker can go on at once."""
    raise SystemExit(128 + number)


def _report(requirements: Sequence[Path], root: Path | None, environment: Mapping[str, str], began: float) -> Report:
    try:
        return bootstrap(requirements, root, environment, began)
    except Exception:  # noqa: BLE001 - the container must start, whatever is wrong with this code
        log(traceback.format_exc(), "ERROR")
        failure = Failure(
            "crash", "The bootstrap itself has failed; its log says where.", "Please report it with the worker's log."
        )
        return _without(failure, "", None, root, environment, [], _total({}, began))


def bootstrap(requirements: Sequence[Path], root: Path | None, environment: Mapping[str, str], began: float) -> Report:
    """Find the environment or build it, and if it cannot be had, say why and what is used instead."""
    name = ""
    warnings: list[str] = []
    seconds: dict[str, float] = {}
    store: Store | None = None

    def report(status: Status, env: Environment) -> Report:
        return Report(
            status=status, place=env.place, interpreter=str(env.interpreter), folder=str(env.home), fingerprint=env.fingerprint,
            warnings=tuple(warnings), seconds=_total(seconds, began), size=env.size, versions=env.versions,
        )  # fmt: skip

    try:
        name = fingerprint(requirements)
        for location in (places.image(environment), places.volume(environment, root)):
            if env := Store(location).ready(name):
                log(f"the environment is ready, from {places.place_name(location.kind)}")
                return report("ready", env)
        for store in _stores(root, environment, name, warnings):
            if env := store.ready(name):
                return report("ready", env)
            from bootstrap.build import Task, obtain  # a warm start needs nothing of it

            options = Options.read(environment)
            task = Task(PROJECT, requirements, name, environment, options, began + options.limit, seconds)
            if _older(name, root, environment):
                task.options = _less_patient(options)
            env = obtain(store, task)
            log(f"the environment is ready after {time.monotonic() - began:.1f} s")
            return report("built", env)
        raise Failure(
            "read_only",
            "No place can be written: neither a network volume nor any local folder.",
            "Attach a network volume with write access, or use an image built with BAKE_VENV=true.",
        )
    except Failure as failure:
        return _without(failure, name, store, root, environment, warnings, _total(seconds, began))


def _stores(root: Path | None, environment: Mapping[str, str], name: str, warnings: list[str]) -> Iterator[Store]:
    """The place to build in: the volume if it can be written, else a local folder that has the environment or can be written.

    Raises:
        Failure: when the volume is full; another place would only hide that.
    """
    volume = places.volume(environment, root)
    try:
        volume.prove()
        if not volume.lasts:
            warnings.append(_goes_with_the_worker("The folder of the network volume is not a mounted volume"))
        yield Store(volume)
        return
    except FileNotFoundError:
        missing = "No network volume is attached"
    except Failure as failure:
        if failure.cause == "disk":
            raise
        missing = failure.reason.rstrip(".")
        log(failure.reason, "WARN")
    stores = [Store(location) for location in places.locals_(environment, PROJECT)]
    store = next((store for store in stores if store.ready(name)), None) or next(filter(_can_be_written, stores), None)
    if store is None:
        return
    if not store.location.lasts:
        warnings.append(_goes_with_the_worker(missing))
    yield store


def _can_be_written(store: Store) -> bool:
    try:
        store.location.prove()
    except (Failure, FileNotFoundError):
        return False
    return True


def _goes_with_the_worker(why: str) -> str:
    sentence = (
        f"{why}: the environment goes with this worker and every new one builds it again. "
        "Attach a writable network volume, or use an image built with BAKE_VENV=true."
    )
    log(sentence, "WARN")
    return sentence


def _older(name: str, root: Path | None, environment: Mapping[str, str]) -> Environment | None:
    """The newest environment of another fingerprint that still works, on the volume, in the image or in a local folder."""
    for location in (places.volume(environment, root), places.image(environment), *places.locals_(environment, PROJECT)):
        for env in Store(location).others(name):
            return env
    return None


def _less_patient(options: Options) -> Options:
    from dataclasses import replace

    return replace(options, retries=0)  # with something to fall back on, a dead index must not hold up every start


def _without(
    failure: Failure,
    name: str,
    store: Store | None,
    root: Path | None,
    environment: Mapping[str, str],
    warnings: list[str],
    seconds: Mapping[str, float],
) -> Report:
    """The report of a start without the environment that is wanted."""
    log(f"{failure.reason} {failure.mend}", "ERROR")
    attempts = max(store.failures(name) if store else 0, 1)
    older = _older(name, root, environment)
    if older:
        text = "An older environment is used, since the one for these requirements cannot be had."
        log(text, "WARN")
        return Report(
            status="fallback", place=older.place, interpreter=str(older.interpreter), folder=str(older.home),
            fingerprint=older.fingerprint, cause=failure.cause, reason=failure.reason, mend=failure.mend,
            warnings=(*warnings, text), attempts=attempts, seconds=seconds, size=older.size, versions=older.versions,
        )  # fmt: skip
    return Report(
        status="failed", place="none", interpreter=sys.executable, folder=None, fingerprint=name, cause=failure.cause,
        reason=failure.reason, mend=failure.mend, warnings=tuple(warnings), attempts=attempts,
        refresh_after=refresh_after(attempts), seconds=seconds,
    )  # fmt: skip


def _total(seconds: Mapping[str, float], began: float) -> dict[str, float]:
    return {**seconds, "total": round(time.monotonic() - began, 3)}


def _cache_root(root: Path | None, environment: Mapping[str, str]) -> str:
    """The worker's folder on the network volume, for model and compiler caches; empty where it cannot be written."""
    store = Store(places.volume(environment, root))
    return str(store.location.base) if store.location.lasts and _can_be_written(store) else ""


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
