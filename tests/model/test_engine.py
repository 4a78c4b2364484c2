"""An import that breaks off half-way is final: it is reported as such, and not tried again in the same process."""

import json
import subprocess
import sys

import pytest

from tests import REPOSITORY

_CODE = """
import builtins, json, sys
from f5_worker.errors import WorkerError
from f5_worker.model import engine
real, failures = builtins.__import__, []
def broken(name, *args, **kwargs):
    if name == {module!r} and not failures:
        failures.append(name)
        raise {error}
    return real(name, *args, **kwargs)
builtins.__import__ = broken
told = []
for _ in range(2):
    try:
        engine.load_engine()
        told.append("loaded")
    except WorkerError as error:
        told.append([type(error).__name__, error.refresh_worker, error.message])
print(json.dumps(told))
"""


@pytest.mark.parametrize(
    ("module", "error", "kind"),
    [
        ("torch", "OSError(5, 'Input/output error')", "EngineBrokenError"),
        ("torch.nn", "ImportError('cannot read libtorch.so')", "EngineBrokenError"),
        ("vocos", "OSError(5, 'Input/output error')", "EngineBrokenError"),
        ("vocos", "MemoryError()", "EngineBrokenError"),
        ("vocos", "ModuleNotFoundError('no vocos', name='vocos')", "PackageMissingError"),
    ],
)
def test_a_half_done_import_is_final_and_a_missing_package_is_not(module: str, error: str, kind: str) -> None:
    code = _CODE.format(module=module, error=error)
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert first[:2] == [kind, kind == "EngineBrokenError"]
    assert second == (first if kind == "EngineBrokenError" else "loaded")
