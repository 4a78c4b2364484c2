"""Finds or builds the Python environment that the worker speaks with, before the worker starts. Standard library only.

    python3 setup_network_venv.py            # prints one line, the interpreter to use; logs on stderr
    python3 setup_network_venv.py --check    # prints the state as JSON, changes nothing
    exec "$(python3 setup_network_venv.py)" handler.py        # what handler.py does by itself (bootstrap/enter.py)

In this order: the environment that was baked into the image; the network volume, if there is one that can be written; a local
folder, which is lost with the worker. Whatever goes wrong, the line names a Python that runs and the exit code is 0, unless
``--require`` asks for 1: an older environment that once worked, else this very Python, with which the worker starts and says
what is wrong (bootstrap/report.py). This file holds arguments and output only; the package ``bootstrap`` does the work.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap.choose import Start

PROJECT = Path(__file__).resolve().parent


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Print what the caller asked for. Exits with 2 on wrong arguments, with 1 where ``--require`` is not met."""
    asked = _arguments(arguments)
    requirements = tuple(path.resolve() for path in asked.requirements or [PROJECT / "requirements.txt"])
    if asked.check:
        from bootstrap.check import state

        print(json.dumps(state(requirements, asked.root, environment, PROJECT), indent=1))
        return
    start = Start(PROJECT, asked.root, environment, requirements, worker=asked.launch)
    report = start.report()
    print(report.interpreter)
    if asked.launch:
        print(start.cache_root())
        print(report.to_json())
    if asked.require and report.status not in ("ready", "built"):
        sys.exit(1)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Find or build the Python environment of the worker and print its interpreter."
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="use this folder as the network volume; it is made if need be")
    parser.add_argument("--check", action="store_true", help="print the state as JSON and change nothing")
    parser.add_argument(
        "--require", action="store_true", help="exit with 1 where there is no environment for these requirements"
    )
    parser.add_argument(
        "--requirements", type=Path, action="append", metavar="FILE", help="what to install (requirements.txt); may be repeated"
    )
    parser.add_argument(
        "--launch",
        action="store_true",
        help="also print the folder for caches and the report as JSON, a line each, and copy to the volume later",
    )
    asked = parser.parse_args(arguments)
    for path in asked.requirements or ():
        if not path.is_file():
            parser.error(f"argument --requirements: there is no file {path}")
    return asked


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
