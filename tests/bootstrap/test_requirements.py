"""requirements.txt by hand: what its head says, with plain pip, and how it is compiled."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests import REPOSITORY
from tests.support.bootstrap_packages import find_uv, make_wheel

REQUIREMENTS = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
PINS = [line.partition(" ")[0] for line in REQUIREMENTS.splitlines() if "==" in line and not line.startswith("#")]
COMMAND = "pip install --no-deps -r requirements.txt"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of all pins with the true metadata of each, by which pip decides, and nothing else in the wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, version in (pin.split("==") for pin in PINS):
        metadata = distribution(name).read_text("METADATA")
        assert metadata is not None, name
        wheel = re.sub(r"[-_.]+", "_", name)
        make_wheel(folder, wheel, version, {f"{wheel}-{version}.dist-info/METADATA": metadata})
    return folder


def test_plain_pip_installs_it_as_its_head_says(wheels: Path, tmp_path: Path) -> None:
    assert f"#   {COMMAND}\n" in REQUIREMENTS[: REQUIREMENTS.index(PINS[0])]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    variables = {"PATH": f"{tmp_path / 'venv' / 'bin'}:{os.defpath}", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command], cwd=REPOSITORY, env=variables, capture_output=True, check=False, text=True
        )

    assert run(COMMAND.replace("--no-deps ", "")).returncode != 0, "the head says that this cannot work"
    done = run(COMMAND)
    assert done.returncode == 0, done.stderr
    listed = {re.sub(r"[-_.]+(?=.*==)", "-", line.lower()) for line in run("pip list --format=freeze").stdout.split()}
    assert {pin.lower() for pin in PINS} <= listed


def test_the_head_is_there_again_when_it_is_compiled_anew(tmp_path: Path) -> None:
    lines = (REPOSITORY / "requirements.in").read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("#   uv pip compile"))
    command = "\n".join(line.removeprefix("# ") for line in lines[first : lines.index("", first)])
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "wheels", "tiny", version, {})
    comments = [line for line in lines if line.startswith("#")]
    (tmp_path / "requirements.in").write_text("\n".join([*comments, "tiny", ""]))
    (tmp_path / "requirements.overrides").write_text("")
    (tmp_path / "requirements.txt").write_text("# an older head\ntiny==1.0\n")
    index = {"UV_DEFAULT_INDEX": (tmp_path / "wheels").as_uri(), "UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    path = f"{Path(find_uv()).parent}:{os.defpath}"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env={"PATH": path, "HOME": str(tmp_path), **index}, check=True)
    head = REQUIREMENTS[: REQUIREMENTS.index(PINS[0])]
    assert (tmp_path / "requirements.txt").read_text() == f"{head}tiny==1.0\n"
    assert sorted(path.name for path in tmp_path.glob("requirements*")) == [
        "requirements.in",
        "requirements.overrides",
        "requirements.txt",
    ]
