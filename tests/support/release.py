"""What must hold before a release: the tag is the version, the changelog tells it, all links are this repository's.

    python -m tests.support.release v1.0.0 OWNER/f5-tts-worker

Standard library only: a workflow runs it on a bare Python. Exits with 1, and says what is wrong.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from tests import REPOSITORY

_LINK = re.compile(r"(?:github\.com|githubusercontent\.com|ghcr\.io|runpod\.io/(?:badge|hub))/([\w-]+/[\w.-]*\w)")
_OTHERS = {"SWivid/F5-TTS"}


def project() -> Mapping[str, Any]:
    """The project's table in pyproject.toml."""
    table: Mapping[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def repository() -> str:
    """``OWNER/NAME`` of this repository on GitHub: the one home of the name, after which all links go."""
    return str(project()["urls"]["Repository"].removeprefix("https://github.com/"))


def linked() -> Mapping[str, set[str]]:
    """By page, the repositories that its links to GitHub, its registry and the Hub lead to; upstream's are left out."""
    pages = ("README.md", ".runpod/README.md", ".runpod/hub.json", "pyproject.toml")
    return {page: {*_LINK.findall((REPOSITORY / page).read_text(encoding="utf-8"))} - _OTHERS for page in pages}


def faults(tag: str, name: str) -> Iterator[str]:
    """What is wrong with a release of ``tag`` in the repository ``name``."""
    version = project()["version"]
    if tag != f"v{version}":
        yield f"The tag is {tag}, and pyproject.toml's version is {version}: the tag must be v{version}."
    if f"\n## {version}\n" not in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"):
        yield f"CHANGELOG.md says nothing of {version}: move what is under Unreleased to it."
    for page, names in linked().items():
        if names != {name}:
            yield f"{page} links to {', '.join(sorted(names))}, not to {name}: CONTRIBUTING.md has the command that changes it."


if __name__ == "__main__":
    found = [*faults(*sys.argv[1:])]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    sys.exit(bool(found))
