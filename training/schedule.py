"""How weights are changed: Muon for the hidden matrices, AdamW for all else, and a learning rate that follows the clock."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Parameters = Sequence[torch.nn.Parameter]


class Clock:
    """Which part of a stage's time is over, and the learning rate that belongs to it; with ``steps``, they are the time."""

    def __init__(self, minutes: float, peak: float, hold: float, steps: int | None = None, warm_up: int = 50) -> None:
        self.step = 0
        self._start, self._seconds, self._steps = time.monotonic(), 60 * minutes, steps
        self._peak, self._hold, self._warm_up = peak, hold, warm_up

    @property
    def part(self) -> float:
        """From 0 to 1, and beyond."""
        if self._steps is not None:
            return self.step / self._steps
        return (time.monotonic() - self._start) / self._seconds

    def learning_rate(self) -> float:
        """That of the next step: it rises for ``warm_up`` steps, stays until ``hold``, then falls along a cosine."""
        self.step += 1
        part = self.part
        fall = 0.5 + 0.5 * math.cos(math.pi * min(1.0, (part - self._hold) / (1 - self._hold)))
        return self._peak * min(1, self.step / self._warm_up) * (1 if part < self._hold else max(0.02, fall))


class Optimiser:
    """Muon (https://kellerjordan.github.io/posts/muon) for ``matrices``, AdamW for ``rest``."""

    def __init__(
        self, matrices: Parameters, rest: Parameters, betas: tuple[float, float] = (0.9, 0.98), clip: float = 1.0
    ) -> None:
        self.matrices, self.rest, self._clip = matrices, rest, clip
        self._adam = torch.optim.AdamW(rest, lr=0.0, betas=betas, weight_decay=0.01)
        self._momentum = [torch.zeros_like(parameter) for parameter in matrices]

    @property
    def parameters(self) -> Parameters:
        """All of them."""
        return [*self.rest, *self.matrices]

    def zero(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Change every parameter by its gradient."""
        torch.nn.utils.clip_grad_norm_(self.rest, self._clip)
        self._adam.param_groups[0]["lr"] = learning_rate
        self._adam.step()
        for parameter, momentum in zip(self.matrices, self._momentum, strict=True):
            assert parameter.grad is not None
            momentum.lerp_(parameter.grad, 0.05)
            change = _orthogonal(parameter.grad.lerp(momentum, 0.95))
            parameter.mul_(1 - 0.02 * learning_rate).add_(change, alpha=-0.2 * learning_rate * math.sqrt(max(parameter.shape)))


def _orthogonal(gradient: Tensor) -> Tensor:
    """Newton and Schulz's iteration towards the nearest orthogonal matrix."""
    x = gradient.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = (x.T if tall else x) / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    back: Tensor = x.T if tall else x
    return back.float()


class Average:
    """The running mean of a module's state, which is what is kept of it."""

    def __init__(self, module: Any, most: float) -> None:
        self.state: dict[str, Tensor] = {name: value.clone() for name, value in module.state_dict().items()}
        self._most = most

    @torch.no_grad()
    def update(self, state: Mapping[str, Tensor], step: int) -> None:
        """Take in the state after ``step`` steps."""
        decay = min(self._most, 1 - 1 / (1 + step / 8))
        for name, value in state.items():
            self.state[name].lerp_(value, 1 - decay)
