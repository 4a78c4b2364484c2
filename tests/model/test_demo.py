"""The demo model lies in the package, whole, and is what its card says."""

import json
import struct
from pathlib import Path

import pytest

from f5_worker.model.files import DEMO_FOLDER, ModelFiles, locate_model
from f5_worker.model.load import load_model
from f5_worker.settings import load_settings
from tests.support.fresh_worker import QUICK, FreshWorker

CARD = (DEMO_FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_no_other_setting_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    others = {name: str(tmp_path / "mine") for name in ("F5TTS_CKPT_FILE", "F5TTS_VOCAB_FILE", "F5TTS_VOCODER_PATH")}
    assert locate_model(load_settings({"F5TTS_MODEL": "demo", **others})) == ModelFiles.in_folder("demo", DEMO_FOLDER)


def test_it_is_as_large_as_its_card_says() -> None:
    model = load_model(load_settings({"F5TTS_MODEL": "demo", "F5TTS_DEVICE": "cpu"}))
    millions = [sum(tensor.numel() for tensor in part.parameters()) / 1e6 for part in (model.cfm, model.vocoder)]
    assert f"{millions[0]:.1f} million parameters and {millions[1]:.1f} million in the vocoder" in CARD
    size = sum(path.stat().st_size for path in DEMO_FOLDER.rglob("*") if path.suffix != ".md")
    assert f"{size / 1e6:.0f} MB in fp16" in CARD
    with (DEMO_FOLDER / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}


def test_who_hears_it_is_told_what_it_is(fresh_worker: FreshWorker) -> None:
    fresh_worker.restart(F5TTS_MODEL="demo")
    (warning,) = fresh_worker.ask(QUICK)["warnings"]
    assert warning == "F5TTS_MODEL=demo: a tiny English model in one voice of its own; it clones nothing."
    assert fresh_worker.health()["model"]["name"] == "demo"
