"""The vocoder learns one voice: mel and multi-resolution STFT losses, without a discriminator."""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from f5_worker.mel import HOP_LENGTH
from training.lessons import load
from training.schedule import Average, Clock, Optimiser
from training.shape import build_vocoder, keep

_CROP, _CROPS = 56 * HOP_LENGTH, 12
_WINDOWS = (256, 512, 1024, 2048)


def teach_vocoder(data: Path, minutes: float, steps: int | None = None) -> None:
    """Write ``vocoder.pt``, the averaged state of a Vocos."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng, model = np.random.default_rng(0), build_vocoder(data).train()
    recordings = [samples for samples in load(data, "recordings") if len(samples) > _CROP]
    matrices = [p for name, p in model.named_parameters() if "pwconv" in name and p.ndim == 2]
    chosen = set(map(id, matrices))
    rest = [p for p in model.parameters() if id(p) not in chosen]
    optimiser = Optimiser(matrices, rest, betas=(0.8, 0.98), clip=5.0)
    average, clock, shown = Average(model, 0.997), Clock(minutes, 2e-3, 0.3, steps), time.monotonic()
    while clock.part < 1:
        x = _crops(recordings, rng)
        with torch.no_grad():
            mel = model.feature_extractor(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = model.backbone(mel)
        y = model.head(h.float())
        x = x[:, : y.shape[1]]
        loss = 4 * (model.feature_extractor(y) - model.feature_extractor(x)).abs().mean()
        for size in _WINDOWS:
            a, b = _spectrum(x, size), _spectrum(y, size)
            loss = loss + (a.log() - b.log()).abs().mean() + (b - a).norm() / a.norm()
        optimiser.zero()
        loss.backward()
        optimiser.step(clock.learning_rate())
        average.update(model.state_dict(), clock.step)
        if time.monotonic() - shown > 30:
            print(f"vocoder: step {clock.step}, loss {float(loss):.3f}", flush=True)
            shown = time.monotonic()
    keep(data / "vocoder.pt", average.state)


def _crops(recordings: list[NDArray[np.int16]], rng: np.random.Generator) -> Tensor:
    """[_CROPS, _CROP], each as loud as chance wants it."""
    crops = []
    for _ in range(_CROPS):
        samples = recordings[rng.integers(len(recordings))]
        at = rng.integers(0, len(samples) - _CROP)
        crops.append(samples[at : at + _CROP].astype(np.float32) / 32767 * 10 ** rng.uniform(-0.4, 0.3))
    return torch.from_numpy(np.stack(crops)).float()


def _spectrum(x: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size)
    return torch.stft(x, size, size // 4, window=window, return_complex=True).abs().clamp(min=1e-5)
