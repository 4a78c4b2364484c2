"""Where an installed package lies, without importing it."""

from importlib.util import find_spec
from pathlib import Path

from f5_worker.runtime.load_errors import missing_package


def package_folder(name: str) -> Path:
    """The folder of the top-level package ``name``; f5-tts ships its configurations, vocabulary and reference clip as files.

    Raises:
        PackageMissingError: when it is not installed.
    """
    spec = find_spec(name)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise missing_package(ModuleNotFoundError(name=name))
    return Path(locations[0])
