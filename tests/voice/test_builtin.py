"""The voice that comes with f5-tts."""

import subprocess
import sys
from pathlib import Path

import pytest

from f5_worker.errors import PackageMissingError
from f5_worker.voice import builtin
from f5_worker.voice.builtin import builtin_voice
from tests import REPOSITORY


def test_the_builtin_voice_needs_no_torch_and_no_f5_tts_import() -> None:
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name in ('torch', 'torchaudio') or name.startswith('f5_tts.'): raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from f5_worker.voice.builtin import builtin_voice\n"
        "from f5_worker.voice.clip import read_reference\n"
        "from f5_worker.settings import Settings\n"
        "clip = read_reference(builtin_voice(), Settings())\n"
        "assert 'f5_tts' not in sys.modules\n"
        "print(clip.duration, len(clip.warnings), repr(clip.ref_text))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    duration, warnings, ref_text = done.stdout.strip().split(" ", 2)
    assert 4.5 < float(duration) < 5.4
    assert warnings == "0"
    assert ref_text == "'Some call me nature, others call me mother nature. '"


def test_the_builtin_voice_is_missed_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(builtin, "package_folder", lambda _name: tmp_path)
    with pytest.raises(PackageMissingError, match="built-in voice"):
        builtin_voice()
