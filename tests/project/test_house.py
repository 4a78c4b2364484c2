"""The house's one rule: arrows between rooms point down only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import f5_worker
from tests import REPOSITORY

FLOORS: tuple[tuple[str, ...], ...] = (
    ("handler",),
    ("cli", "front"),
    ("endpoints",),
    ("resources",),
    ("speech",),
    ("timing", "voice"),
    ("audio", "delivery", "model"),
    ("job", "runtime", "s3_utils"),
    ("text",),
    ("ground",),
)
"""From the top. What lies beside the packages of ``f5_worker``, and the bootstrap, is the ground that all stand on."""

_FLOOR = {room: len(FLOORS) - number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str | None:
    """The room of a module by its dotted name; ``None`` for other people's."""
    top, _, rest = module.partition(".")
    if top in ("handler", "s3_utils"):
        return top
    if top == "bootstrap":
        return "ground"
    room = rest.partition(".")[0]
    return None if top != "f5_worker" else room if room in _FLOOR else "ground"


def arrows(project: Path) -> Iterator[tuple[str, str]]:
    """Every import of one of our modules by another, wherever in the file it stands."""
    for path in [project / "handler.py", project / "s3_utils.py", *sorted(project.glob("f5_worker/**/*.py"))]:
        if not path.is_file():
            continue
        module = ".".join(path.relative_to(project).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((module, f"{node.module}.{alias.name}") for alias in node.names)


def wrong_arrows(project: Path) -> list[str]:
    """Arrows that point upwards, or to another room on the same floor."""
    wrong = []
    for module, imported in arrows(project):
        start, end = room_of(module), room_of(imported)
        if start and end and start != end and _FLOOR[start] <= _FLOOR[end]:
            wrong.append(f"{module} -> {imported}")
    return wrong


def test_arrows_between_rooms_point_down() -> None:
    assert wrong_arrows(REPOSITORY) == []


def test_an_arrow_upwards_is_found(tmp_path: Path) -> None:
    (tmp_path / "f5_worker" / "text").mkdir(parents=True)
    (tmp_path / "f5_worker" / "text" / "clean.py").write_text("def f():\n    from f5_worker.job.request import TtsRequest\n")
    (tmp_path / "f5_worker" / "log.py").write_text("import f5_worker.text.clean\nimport f5_worker.errors\n")
    assert wrong_arrows(tmp_path) == [
        "f5_worker.log -> f5_worker.text.clean",
        "f5_worker.text.clean -> f5_worker.job.request.TtsRequest",
    ]


def test_the_sdk_is_imported_in_one_place() -> None:
    importers = {module for module, imported in arrows(REPOSITORY) if imported.partition(".")[0] == "runpod"}
    assert importers == {"f5_worker.sdk"}


def test_packages_hold_a_docstring_only_and_the_map_names_them_all() -> None:
    for init in REPOSITORY.glob("f5_worker/**/__init__.py"):
        body = ast.parse(init.read_text(encoding="utf-8")).body
        assert len(body) == 1, init
        assert isinstance(body[0], ast.Expr), init
        if init.parent.name != "f5_worker":
            assert f"{init.parent.name}/" in (f5_worker.__doc__ or "")


def test_no_room_grows_past_what_one_sitting_reads() -> None:
    files = [path for pattern in ("*.py", "f5_worker/**/*.py", "bootstrap/*.py") for path in REPOSITORY.glob(pattern)]
    assert {path.name: lines for path in files if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 320} == {}
