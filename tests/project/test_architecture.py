"""docs/architecture.md is current: its drawing is made from the imports, its places exist.

``python -m tests.project.test_architecture`` draws it anew.
"""

import importlib.util
import re
from pathlib import Path

import pytest

from tests import REPOSITORY
from tests.project.test_house import FLOORS, arrows, room_of

PAGES = [REPOSITORY / "docs" / "architecture.md", REPOSITORY / "CONTRIBUTING.md"]
_BLOCK = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)
_SHELL = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def drawing() -> str:
    """The rooms from the top floor down, and an arrow for what a room imports of a lower one; the ground is left out."""
    seen = {(room_of(module), room_of(imported)) for module, imported in arrows(REPOSITORY)}
    lines = ["```mermaid", "flowchart TD"]
    for number, rooms in enumerate(FLOORS[:-1], 1):
        lines += [f"  subgraph floor{number}[ ]", *(f"    {room}" for room in rooms), "  end"]
    order = [room for rooms in FLOORS[:-1] for room in rooms]
    lines += [f"  {start} --> {end}" for start in order for end in order if start != end and (start, end) in seen]
    return "\n".join([*lines, "```\n"])


def test_the_drawing_is_current() -> None:
    assert _BLOCK.findall(PAGES[0].read_text(encoding="utf-8")) == [drawing()], "python -m tests.project.test_architecture"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_places_that_it_names_exist(page: Path) -> None:
    named = re.findall(r"`([\w./-]+(?:\.(?:py|md|json|sh|txt|in|yml)|/))`", page.read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not any((root / name).exists() for root in (REPOSITORY, REPOSITORY / "f5_worker"))] == []


def test_each_command_is_one() -> None:
    """What they run is tested where it is: the files that the two generators write are current."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("tests/**/test_*.py"))
    commands = [
        line for page in PAGES for block in _SHELL.findall(page.read_text(encoding="utf-8")) for line in block.split("\n")
    ]
    assert len(commands) > 5
    for command in (command for command in commands if command and not command.startswith("git ")):
        program, *rest = command.split()
        if program == "python":
            assert importlib.util.find_spec(rest[1]), command
            continue
        assert program == "tests/run.sh", command
        assert not rest or (f"{rest[1]}" in tests if rest[0] == "-k" else (REPOSITORY / rest[0]).is_file()), command


if __name__ == "__main__":
    PAGES[0].write_text(_BLOCK.sub(lambda _: drawing(), PAGES[0].read_text(encoding="utf-8")), encoding="utf-8")
