"""Proves inside a new environment that the worker's imports work: ``ENVIRONMENT/bin/python -I import_check.py PROJECT``.

It imports the worker's own modules, and every package that any of them imports anywhere, at the top or in a function (imports
that are guarded against ``ImportError`` may fail). A fault in the worker's own code is not the environment's: it is logged
on stderr, and the worker will report it. One JSON object goes to stdout:
``{"ok": true, "checked", "versions", "size"}`` or ``{"ok": false, "module", "error"}``,
with the exit code 1.
"""

import ast
import contextlib
import importlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

_VERSIONS = ("runpod", "f5-tts", "torch", "torchaudio", "transformers", "vocos")
_NOT_THE_WORKER = ("setup_network_venv",)


def main(project: Path) -> dict[str, Any]:
    """Import everything; stop at the first failure."""
    sys.path.insert(0, str(project))
    own = own_modules(project)
    files = [project.joinpath(*name.split(".")) for name in own]
    sources = [path.with_suffix(".py") for path in files if path.with_suffix(".py").is_file()]
    roots = {name.partition(".")[0] for name in own} | set(sys.stdlib_module_names) | {"bootstrap"}
    foreign = sorted({name for path in sources for name in imported(path.read_text(encoding="utf-8"))} - roots)
    for module in [*foreign, *own]:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - whatever a package raises while it is imported is the answer
            missing = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
            text = f"{type(error).__name__}: {error}"[:300]
            if module in foreign:
                return {"ok": False, "module": module, "error": text}
            if missing and missing not in roots:
                return {"ok": False, "module": missing, "error": text}
            sys.stderr.write(f"{module} of the worker itself fails: {text}\n")
    return {"ok": True, "checked": len(foreign) + len(own), "versions": versions(), "size": size()}


def own_modules(project: Path) -> list[str]:
    """The worker's modules by their dotted names, as they lie in the project's folder."""
    top = [path.stem for path in project.glob("*.py") if path.stem not in _NOT_THE_WORKER]
    inner = [".".join(path.relative_to(project).with_suffix("").parts) for path in project.glob("f5_worker/**/*.py")]
    return sorted(top + [name.removesuffix(".__init__") for name in inner])


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports wherever in its code, unless it is ready for them to be missing."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name.partition(".")[0] for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            if node.module and not node.level:
                found.add(node.module.partition(".")[0])

        def visit_If(self, node: ast.If) -> None:
            if "TYPE_CHECKING" not in ast.dump(node.test):
                self.generic_visit(node)
            for child in node.orelse if "TYPE_CHECKING" in ast.dump(node.test) else ():
                self.visit(child)

        def visit_Try(self, node: ast.Try) -> None:
            caught = " ".join(ast.dump(handler.type) for handler in node.handlers if handler.type)
            guarded = "ImportError" in caught or "ModuleNotFoundError" in caught
            for child in [*([] if guarded else node.body), *node.handlers, *node.orelse, *node.finalbody]:
                self.visit(child)

    Visitor().visit(ast.parse(source))
    return found


def versions() -> dict[str, str]:
    """The versions of the packages that matter, where they are installed."""
    found: dict[str, str] = {}
    for name in _VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def size() -> int:
    """Bytes of all installed packages, from their own records: much quicker on a network volume than asking each file."""
    return sum(file.size or 0 for package in metadata.distributions() for file in package.files or ())


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answer = main(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.exit(0 if answer["ok"] else 1)
