"""The fenced blocks of the pages that users read."""

import re
from dataclasses import dataclass

from tests import REPOSITORY

PAGES = ("README.md", "CONTRIBUTING.md", ".runpod/README.md", *(f"docs/{path.name}" for path in REPOSITORY.glob("docs/*.md")))


@dataclass(frozen=True, slots=True)
class Block:
    """One block: the page that it stands on, its language and its text."""

    page: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, without comments."""
        return [line.partition("  #")[0].strip() for line in self.text.splitlines() if line.strip()]


BLOCKS = tuple(
    Block(page, *found)
    for page in PAGES
    for found in re.findall(r"^```(\w*)\n(.*?)^```$", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
)


def block(language: str, containing: str) -> str:
    """The text of the one block of that language that contains these words."""
    (found,) = (each.text for each in BLOCKS if each.language == language and containing in each.text)
    return found
