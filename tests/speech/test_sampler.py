"""The sampler against ``CFM.sample`` of the unchanged f5-tts, over every schedule, in a process with the real torchdiffeq."""

import subprocess
import sys
from pathlib import Path

from tests import PATIENCE

SCRIPT = """
import sys
import torchdiffeq  # before the engine, so that CFM.sample keeps its real solver
import torch
from f5_worker.model.load import load_model
from f5_worker.speech.sampler import Guidance, ReferenceMel, Utterance, sample_mels
from f5_worker.settings import load_settings

model = load_model(load_settings({"F5TTS_MODEL": sys.argv[1], "F5TTS_DEVICE": "cpu"}))
torch.manual_seed(0)
audio = torch.randn(1, 24000) * 0.1
text = model.engine.convert_char_to_pinyin(["Some call me nature.  Hello there, you."])
tokens = model.engine.list_str_to_idx(text, model.vocab)[0]
mel = model.cfm.mel_spec(audio).permute(0, 2, 1)[0]
failed = []
for nfe_step in (1, 2, 5, 6, 7, 10, 12, 16, 32):
    for cfg_strength, sway in ((2.0, -1.0), (0.0, None)):
        with torch.inference_mode():
            torch.manual_seed(11)
            theirs, _ = model.cfm.sample(
                cond=audio, text=text, duration=160, steps=nfe_step, cfg_strength=cfg_strength, sway_sampling_coef=sway
            )
            ours = sample_mels(
                model.engine, model.cfm.transformer, [Utterance(tokens, 160, 11, ReferenceMel(mel, None))],
                Guidance(nfe_step, cfg_strength, sway), lambda: None,
            )[0]
        if not torch.equal(ours, theirs[0]):
            failed.append((nfe_step, cfg_strength, sway))
print("DIFFERENT", failed)
"""


def test_equals_upstream_for_every_schedule(smoke_folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(smoke_folder)],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=Path(__file__).parents[2],
    )
    assert result.stdout.splitlines()[-1] == "DIFFERENT []"
