"""What uv and pip print, told in plain words. The outputs are those of uv 0.13.9 and pip 23.2, shortened."""

import pytest

from bootstrap.installer_errors import explain, is_transient, plain
from bootstrap.options import MARGIN, Options

NO_VERSION = """error: No solution found when resolving dependencies
  cause: Because there is no version of six==99.9 and you require six==99.9, we conclude that it is unsatisfiable."""
NO_PACKAGE = """error: No solution found when resolving dependencies
  cause: Because torchh was not found in the package registry and you require torchh==1.0, it is unsatisfiable."""
REFUSED = """error: Failed to fetch: http://127.0.0.1:9/simple/six/
  cause: error sending request for url (http://127.0.0.1:9/simple/six/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)"""
TIMED_OUT = """error: Failed to fetch: http://user:secret@127.0.0.1:18999/simple/six/?token=secret
  cause: error sending request for url (http://127.0.0.1:18999/simple/six/?token=secret)
  cause: operation timed out"""
OFFLINE = """error: No solution found when resolving dependencies
  cause: Because six was not found in the cache and you require six==1.17.0, we conclude that it is unsatisfiable.

hint: Packages were unavailable because the network was disabled."""
FORBIDDEN = """error: Failed to fetch: `https://packages.example.com/simple/six/`
  cause: HTTP status client error (403 Forbidden) for url (https://packages.example.com/simple/six/)"""
SERVER_ERROR = """error: Failed to fetch: `https://packages.example.com/simple/six/`
  cause: HTTP status server error (503 Service Unavailable) for url (https://packages.example.com/simple/six/)"""
FULL = """Resolved 1 package in 46ms
error: Failed to install: sympy-1.14.0-py3-none-any.whl (sympy==1.14.0)
  cause: Failed to copy to `/runpod-volume/v/lib/python3.11/site-packages/sympy/simplify/simplify.py`
  cause: failed to copy file: No space left on device (os error 28)"""
QUOTA = """error: Failed to install: sympy-1.14.0-py3-none-any.whl (sympy==1.14.0)
  cause: failed to create directory `/runpod-volume/v/lib`: Disk quota exceeded (os error 122)"""
READ_ONLY = """error: Failed to create virtual environment
  cause: failed to create directory `/runpod-volume/v`: Read-only file system (os error 30)"""
NO_BUILD = """  \u00d7 Failed to build `encodec==0.1.1`
  ├─▶ The build backend returned an error"""
NO_PYTHON = """error: Failed to inspect Python interpreter from provided path at `/bin/false`
  cause: Querying Python at `/bin/false` failed with exit status exit status: 1"""
PIP_NO_VERSION = """Looking in indexes: https://packages.example.com/simple
ERROR: Could not find a version that satisfies the requirement six==99.9 (from versions: 1.16.0, 1.17.0)
ERROR: No matching distribution found for six==99.9"""
PIP_REFUSED = """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<HTTPConnection object>:
Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/
ERROR: Could not find a version that satisfies the requirement six==1.17.0 (from versions: none)
ERROR: No matching distribution found for six==1.17.0"""
PIP_FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("output", "cause", "said"),
    [
        (NO_VERSION, "package", "six==99.9"),
        (NO_PACKAGE, "package", "torchh"),
        (REFUSED, "network", "six (asked: http://127.0.0.1:9)"),
        (TIMED_OUT, "network", "six (asked: http://127.0.0.1:18999)"),
        (OFFLINE, "network", "six"),
        (FORBIDDEN, "denied", "six (asked: https://packages.example.com)"),
        (SERVER_ERROR, "network", "six"),
        (FULL, "disk", "network volume"),
        (QUOTA, "disk", "network volume"),
        (READ_ONLY, "read_only", "network volume"),
        (NO_BUILD, "build", "encodec==0.1.1"),
        (NO_PYTHON, "interpreter", "virtual environment"),
        (PIP_NO_VERSION, "package", "six==99.9"),
        (PIP_REFUSED, "network", "six"),
        (PIP_FULL, "disk", "network volume"),
        ("Resolved 3 packages\nerror: something new in /root/.cache/uv/x\n", "installer", "something new"),
        ("", "installer", "no output"),
    ],
)
def test_causes(output: str, cause: str, said: str) -> None:
    failure = explain(output, "uv", "volume")
    assert failure.cause == cause
    assert said in failure.reason
    assert failure.fix.endswith(".")
    for secret in ("secret", "/runpod-volume", "/root", "/bin/"):
        assert secret not in failure.reason + failure.fix
    assert is_transient(failure) == (cause == "network")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("from https://user:pass@packages.example.com/simple/x?key=1 to", "from https://packages.example.com to"),
        ("at /root/.cache/uv/archive/file.py: broken", "at …/file.py: broken"),
        ("Using Python 3.11.7 environment at: /a/b c", "Using Python 3.11.7 environment at: …/b c"),
        ("tcp/ip and 3/4 stay", "tcp/ip and 3/4 stay"),
        ("see file:///opt/wheels/x.whl", "see a local folder"),
    ],
)
def test_lines_are_shown_without_secrets_and_paths(line: str, shown: str) -> None:
    assert plain(line) == shown


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({}, 3600.0),
        ({"RUNPOD_POD_ID": "pod"}, 420.0 - MARGIN),
        ({"RUNPOD_ENDPOINT_ID": "endpoint", "RUNPOD_INIT_TIMEOUT": "1800"}, 1800.0 - MARGIN),
        ({"RUNPOD_POD_ID": "pod", "RUNPOD_INIT_TIMEOUT": "long"}, 420.0 - MARGIN),
        ({"RUNPOD_POD_ID": "pod", "RUNPOD_INIT_TIMEOUT": "5"}, MARGIN),
        ({"RUNPOD_POD_ID": "pod", "F5_BOOTSTRAP_LIMIT": "9"}, 9.0),
    ],
)
def test_the_time_for_everything(environment: dict[str, str], limit: float) -> None:
    assert Options.read(environment).limit == limit
