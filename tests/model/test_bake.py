"""Baking: what lies in the image is a model folder, whatever the model came as."""

from pathlib import Path

import pytest

from f5_worker.model.bake import bake_model
from f5_worker.model.engine import load_engine
from f5_worker.model.load import load_model
from f5_worker.settings import load_settings


def test_a_pickled_checkpoint_stays_one_in_a_model_folder_that_loads(
    smoke_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = load_model(load_settings({"F5TTS_MODEL": str(smoke_folder), "F5TTS_DEVICE": "cpu"}))
    torch, weights = load_engine().torch, original.cfm.state_dict()
    checkpoint = tmp_path / "model_last.pth"
    torch.save({"ema_model_state_dict": {f"ema_model.{name}": tensor for name, tensor in weights.items()}}, checkpoint)
    monkeypatch.setenv("F5TTS_MODEL", str(smoke_folder))
    monkeypatch.setenv("F5TTS_CKPT_FILE", str(checkpoint))

    bake_model(tmp_path / "baked")

    baked = load_model(load_settings({"F5TTS_MODEL": str(tmp_path / "baked"), "F5TTS_DEVICE": "cpu"})).cfm.state_dict()
    assert baked.keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in baked.items())
