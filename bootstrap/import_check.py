"""Proves inside a new environment that the worker's imports work: ``ENVIRONMENT/bin/python -I import_check.py PROJECT``.

It imports every package of packages.py, then the worker's own modules. A fault in the worker's own code is not the
environment's: it is logged on stderr, and the worker will report it. One JSON object goes to stdout:
``{"ok": true, "checked", "versions", "size"}`` or ``{"ok": false, "module", "error"}``, with the exit code 1.
"""

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
    from bootstrap.packages import PACKAGES

    own = own_modules(project)
    roots = {name.partition(".")[0] for name in own} | set(sys.stdlib_module_names) | {"bootstrap"}
    for module in [*PACKAGES, *own]:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - whatever a package raises while it is imported is the answer
            missing = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
            text = f"{type(error).__name__}: {error}"[:300]
            if module in PACKAGES:
                return {"ok": False, "module": module, "error": text}
            if missing and missing not in roots:
                return {"ok": False, "module": missing, "error": text}
            sys.stderr.write(f"{module} of the worker itself fails: {text}\n")
    return {"ok": True, "checked": len(PACKAGES) + len(own), "versions": versions(), "size": size()}


def own_modules(project: Path) -> list[str]:
    """The worker's modules by their dotted names, as they lie in the project's folder."""
    top = [path.stem for path in project.glob("*.py") if path.stem not in _NOT_THE_WORKER]
    inner = [".".join(path.relative_to(project).with_suffix("").parts) for path in project.glob("f5_worker/**/*.py")]
    return sorted(top + [name.removesuffix(".__init__") for name in inner])


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
