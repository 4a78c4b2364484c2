"""Upstream's own ``F5TTS.infer``, run in a process of its own: python stock_f5tts.py REQUEST.json FOLDER.

The request names one model and many jobs; the samples of job N go into FOLDER/N.npy.

Three imports that this environment leaves out on purpose are stood in for, none of which touches a number: the training code,
librosa's filters (BigVGAN only) and cached_path (downloads). torchaudio's loader needs FFmpeg's libraries, so soundfile reads
the clip, as float32. The clip is registered as already processed, since the worker processes it in its own way.
"""

import hashlib
import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soundfile
import torch
import torchaudio


def stand_in(name: str, **names: Any) -> None:
    """Put an empty module with ``names`` in the place of ``name``."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(names)
    sys.modules[name] = module


def load_with_soundfile(path: str) -> tuple[torch.Tensor, int]:
    """``torchaudio.load`` for a wav file."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate


def main(request_path: str, folder: str) -> None:
    """Run every job of the request and save the samples."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    stand_in("f5_tts.model.trainer", Trainer=object)
    if find_spec("librosa") is None:
        stand_in("librosa")
        stand_in("librosa.filters", mel=None)
    stand_in("cached_path", cached_path=None)
    torchaudio.load = load_with_soundfile

    from f5_tts.api import F5TTS
    from f5_tts.infer import utils_infer

    model = Path(request["model_folder"]).resolve()
    configs = find_spec("f5_tts")
    assert configs is not None
    assert configs.submodule_search_locations is not None
    here = Path(next(iter(configs.submodule_search_locations))) / "configs"
    up = "/".join([".."] * (len(here.parts) - 1))
    tts = F5TTS(
        model=f"{up}{model}/config",
        ckpt_file=str(model / "model.safetensors"),
        vocab_file=str(model / "vocab.txt"),
        vocoder_local_path=str(model / "vocos"),
        device=request.get("device", "cpu"),
    )
    for number, job in enumerate(request["jobs"]):
        clip = job["reference"]
        digest = hashlib.md5(Path(clip).read_bytes(), usedforsecurity=False).hexdigest()
        utils_infer._ref_audio_cache[digest] = clip
        samples, _, _ = tts.infer(clip, job["ref_text"], job["text"], seed=job["seed"], **job["options"])
        np.save(Path(folder) / f"{number}.npy", samples)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
