"""Installed packages: where one lies, that one is missing, and which thread may import the real ones."""

import threading
from importlib.util import find_spec
from pathlib import Path

from bootstrap import trust
from bootstrap.packages import PACKAGES
from f5_worker.errors import EnvironmentFailedError, PackageMissingError, brief

real_imports = threading.Lock()
"""Held while stand-ins are in place of modules (model/engine.py), and by other threads that may import the real ones."""


def package_folder(name: str) -> Path:
    """The folder of the top-level package ``name``; f5-tts ships its configurations, vocabulary and reference clip as files.

    The package is not imported.

    Raises:
        PackageMissingError: when it is not installed.
    """
    spec = find_spec(name)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise missing_package(ModuleNotFoundError(name=name))
    return Path(locations[0])


def missing_package(error: ImportError) -> PackageMissingError:
    """The typed error for an import that failed, with the package's name; it is held against the bootstrap's environment."""
    package = (error.name or "").split(".")[0] or "a package"
    state = "is not installed" if isinstance(error, ModuleNotFoundError) else f"does not import ({brief(error)})"
    if package in PACKAGES and trust.blame(error):
        return EnvironmentFailedError(
            f"The Python package {package} {state} any more: the environment has been damaged since it was built. A new worker "
            "builds another; send the job again.",
            package=package,
        )
    return PackageMissingError(
        f"The Python package {package} {state}. Start the worker through start.sh, which builds the environment, "
        "or install requirements.txt with --no-deps.",
        package=package,
    )
