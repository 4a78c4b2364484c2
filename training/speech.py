"""The DiT learns to speak by flow matching (https://arxiv.org/abs/2410.06885), with the text encoder frozen."""

import math
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.batches import Batch, Batches
from training.forward import embed_text, forward
from training.schedule import Average, Clock, Optimiser
from training.shape import build_model, keep

LATE = 0.6
"""From which part of the time on whole references come first."""
_HOLD = 0.35
_NO_TEXT, _NO_REFERENCE = 0.12, 0.2  # of all items see neither text nor reference; and up to here no reference


@dataclass(frozen=True, slots=True)
class Peers:
    """Processes that average their gradients; time and learning rate are those of rank 0."""

    rank: int = 0
    count: int = 1
    port: int = 0

    def join(self) -> None:
        """Wait until all are there."""
        if self.count > 1:
            address = f"tcp://127.0.0.1:{self.port}"
            torch.distributed.init_process_group("gloo", init_method=address, rank=self.rank, world_size=self.count)

    def agree(self, optimiser: Optimiser, learning_rate: float, stop: bool) -> tuple[float, bool]:
        """Average the gradients in place; rank 0's learning rate and whether it stops."""
        if self.count == 1:
            return learning_rate, stop
        gradients = [p.grad for p in optimiser.parameters if p.grad is not None]
        first = float(self.rank == 0)
        flat = torch.cat([*(g.reshape(-1) for g in gradients), torch.tensor([learning_rate * first, float(stop) * first])])
        torch.distributed.all_reduce(flat)
        for gradient, part in zip(gradients, torch.split(flat[:-2], [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient)).div_(self.count)
        return float(flat[-2]), bool(flat[-1] > 0)


def teach_speech(data: Path, minutes: float, peers: Peers, batch_frames: int = 2500, steps: int | None = None) -> None:
    """Write ``speech.pt``, the averaged state of the DiT; all peers end together."""
    torch.set_num_threads(1)
    peers.join()
    torch.manual_seed(0)
    batches, dit = Batches(data, peers.rank), build_model().transformer.train()
    start(dit, batches.mean, data / "text.pt")
    named = [(name, p) for name, p in dit.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if p.ndim == 2 and "transformer_blocks" in name and "attn_norm" not in name]
    chosen = set(map(id, matrices))
    optimiser = Optimiser(matrices, [p for _, p in named if id(p) not in chosen])
    average, clock, log = Average(dit, 0.998), Clock(minutes, 2e-3, _HOLD, steps), Log()
    torch.manual_seed(peers.rank)
    stop = False
    while not stop:
        if not batches.late and clock.part > LATE:
            batches.be_late()
        loss = flow_loss(dit, batches.draw(batch_frames), log)
        optimiser.zero()
        loss.backward()  # type: ignore[no-untyped-call]
        rate, stop = peers.agree(optimiser, clock.learning_rate(), clock.part >= 1)
        optimiser.step(rate)
        average.update(dit.state_dict(), clock.step)
        if peers.rank == 0:
            log.show(clock.step, rate)
    if peers.rank == 0:
        keep(data / "speech.pt", average.state)


@torch.no_grad()
def start(dit: Any, mean: NDArray[np.float32], text: Path) -> None:
    """Gates open, a straight way for the noise (at the first step the flow is about mean speech - x), a text that is spelt.

    The text encoder stays as it is: it spells better from all texts than the spoken half would teach it.
    """
    dit.proj_out.bias.copy_(torch.from_numpy(mean))
    dit.proj_out.weight[:, :100].copy_(-0.8 * torch.eye(100))
    dit.input_embed.proj.weight[:, :200].mul_(0.3)
    dit.input_embed.proj.weight[:100, :100].add_(torch.eye(100))
    for block in dit.transformer_blocks:
        gates = block.attn_norm.linear.bias.view(6, -1)
        gates[2], gates[5] = 1, 1
        block.attn.to_out[0].weight.mul_(0.3)
        block.ff.ff[2].weight.mul_(0.3)
    dit.text_embed.load_state_dict(torch.load(text))
    dit.text_embed.requires_grad_(False)


def flow_loss(dit: Any, batch: Batch, log: "Log") -> Tensor:
    """The weighted squared error of the flow, over the speech and a little over the reference."""
    x1 = batch.mel
    b, n = x1.shape[:2]
    at = torch.arange(n)[None]
    mask, reference = at < batch.total[:, None], at < batch.known[:, None]
    # Half of the times as sway sampling visits them, half near 0, where nothing but the text says what will be heard.
    t = torch.where(torch.rand(b) < 0.5, 1 - torch.cos(math.pi / 2 * torch.rand(b)), 0.15 * torch.rand(b) ** 2)
    x0, time_ = torch.randn_like(x1), t[:, None, None]
    # Guidance drives the reference's own frames off their path at inference, and they are only put back at the end.
    strength = torch.where(torch.rand(b, 1, 1) < 0.5, 1.0, 0.5 + 2.5 * torch.rand(b, 1, 1))
    middle = x1.mean((1, 2), keepdim=True)
    driven = torch.where(reference[..., None], (x1 - middle) * strength + middle, x1)
    dice = torch.rand(b)
    no_text, no_reference = dice < _NO_TEXT, dice < _NO_REFERENCE
    cond = torch.where(reference[..., None] & ~no_reference[:, None, None], x1, 0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        text = embed_text(dit.text_embed, batch.tokens, batch.lengths, batch.total, batch.index, no_text)
        flow = forward(dit, (1 - time_) * x0 + time_ * driven, cond, text, t, None if bool(mask.all()) else mask)
    error = (flow.float() - (x1 - x0)).square().mean(-1)
    speech = mask & ~reference
    log.add(((error * speech).sum(1) / speech.sum(1)).detach(), t, no_text)
    weight = speech.float() + 0.05 * (reference & ~no_reference[:, None] & (strength[:, :, 0] == 1)).float()
    return (error * weight).sum() / weight.sum()


class Log:
    """The squared error of the speech by time, every half minute."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, list[float]] = defaultdict(list)
        self._shown = time.monotonic()

    def add(self, errors: Tensor, times: Tensor, no_text: Tensor) -> None:
        """Those of one batch, each [b]."""
        for error, when, blank in zip(errors, times, no_text, strict=True):
            near = "t<.02" if when < 0.02 else "t<.1" if when < 0.1 else f"t<{math.floor(when * 4 + 1) / 4}"
            self._seen["no text" if blank else near].append(float(error * (1 - when) ** 2))

    def show(self, step: int, learning_rate: float) -> None:
        """Print, if it is time."""
        if time.monotonic() - self._shown > 30:
            errors = {name: round(float(np.mean(values)), 3) for name, values in sorted(self._seen.items())}
            print(f"speech: step {step}, learning rate {learning_rate:.5f}, {errors}", flush=True)
            self._seen.clear()
            self._shown = time.monotonic()
