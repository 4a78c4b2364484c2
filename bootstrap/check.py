"""The state of all places, for ``setup_network_venv.py --check``. Changes nothing."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bootstrap import places
from bootstrap.apart import on_volume, within
from bootstrap.installers import find_installer
from bootstrap.lease import current
from bootstrap.options import Options
from bootstrap.places import Location, existing
from bootstrap.report import Failure
from bootstrap.store import Store, fingerprint


def state(requirements: Sequence[Path], root: Path | None, environment: Mapping[str, str], project: Path) -> dict[str, Any]:
    """What is ready where, who builds, and with what a start would build."""
    name, installer, problem = "", None, None
    try:
        name = fingerprint(requirements)
        installer = find_installer(environment, None, "none").name
    except Failure as failure:
        problem = f"{failure.reason} {failure.fix}"
    locations = (places.image(environment), places.volume(environment, root), *places.local_places(environment, project))
    found = [_place_in_time(location, name) for location in locations]
    ready = next((place["interpreter"] for place in found if place["ready"]), None)
    return {
        "fingerprint": name,
        "ready": ready is not None,
        "interpreter": ready,
        "python": sys.executable,
        "installer": installer,
        "problem": problem,
        "needed": Options.read(environment).need,
        "places": found,
    }


def _place_in_time(location: Location, name: str) -> dict[str, Any]:
    try:
        return on_volume(location.root, lambda: _place(location, name), within(places.door(location.root).limit))
    except Failure as failure:
        return {**_place(places.NO_VOLUME, name), "folder": str(location.base), "trouble": failure.reason}


def _place(location: Location, name: str) -> dict[str, Any]:
    store = Store(location)
    environment = store.ready(name)
    lease = current(store.home(name))
    return {
        "place": location.kind,
        "folder": str(location.base),
        "ready": environment is not None,
        "interpreter": str(environment.interpreter) if environment else None,
        "size": environment.size if environment else None,
        "versions": dict(environment.versions) if environment else {},
        "others": [other.fingerprint for other in store.others(name)],
        "writable": _may_be_written(location),
        "free": _free(location.root),
        "lease": {"number": lease.number, "doing": lease.doing, "outcome": lease.outcome} if lease else None,
    }


def _may_be_written(location: Location) -> bool:
    """As well as can be told without writing."""
    path = existing(location.root) if location.create else location.root
    with suppress(OSError):
        return os.access(path, os.W_OK) and not os.statvfs(path).f_flag & os.ST_RDONLY
    return False


def _free(root: Path) -> int | None:
    with suppress(OSError):
        return shutil.disk_usage(existing(root)).free
    return None
