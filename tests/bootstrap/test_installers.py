"""What an installer's run tells while it goes on."""

import os
import sys
from pathlib import Path

import pytest

from bootstrap import installers


def test_what_is_said_to_be_written_is_what_the_installer_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not what the disk has less: others write there too. The child of the command counts, as an installer's compilers do."""
    monkeypatch.setattr(installers, "_TICK", 0.1)
    others = tmp_path / "others"
    said: list[str] = []

    def check() -> None:
        others.write_bytes(bytes(400_000_000) if not others.exists() else b"")
        said.append(capsys.readouterr().err)
        if "GB written" in "".join(said):
            (tmp_path / "enough").touch()

    code = f"head -c 120000000 /dev/zero > {tmp_path}/own; while [ ! -e {tmp_path}/enough ]; do sleep 0.05; done"
    done, _ = installers.run(["sh", "-c", f"sh -c '{code}'; exit 0"], {"PATH": os.environ["PATH"]}, check, show=True)
    assert done == 0
    assert ", 0.1 GB written" in "".join(said), sys.platform
