"""The text encoder learns to spell: characters in, the teacher's phone and stress in each quarter of each character out."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere
from numpy.typing import NDArray
from torch import Tensor, nn

from training.flite import PHONES
from training.forward import embed_text
from training.lessons import QUARTERS, load
from training.schedule import Clock, Optimiser
from training.shape import ARCHITECTURE, INDEX, PACES, build_model, keep, tokens

_BATCH = 40
_STRESSES = 2
_NO_LESSON = -100
"""``cross_entropy`` passes over it."""

_Item = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def teach_spelling(data: Path, minutes: float, steps: int | None = None) -> None:
    """Write ``text.pt``, the state of f5-tts's text embedding; the head that it learns with is thrown away."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    lessons = [
        (tokens(item.text), item.phones.astype(np.int64), item.stress.astype(np.int64)) for item in load(data, "spellings")
    ]
    module = build_model().transformer.text_embed.train()
    nn.init.normal_(module.text_embed.weight, std=0.5)
    head = nn.Linear(ARCHITECTURE["text_dim"], QUARTERS * (len(PHONES) + _STRESSES))
    matrices = [p for name, p in module.named_parameters() if "text_blocks" in name and p.ndim == 2]
    chosen = set(map(id, matrices))
    optimiser = Optimiser(matrices, [p for p in (*module.parameters(), *head.parameters()) if id(p) not in chosen])
    clock, shown = Clock(minutes, 3e-3, 0.4, steps), time.monotonic()
    while clock.part < 1:
        columns = zip(*(_draw(lessons, rng) for _ in range(_BATCH)), strict=True)
        text, phones, stress = (
            _padded(column, value) for column, value in zip(columns, (-1, _NO_LESSON, _NO_LESSON), strict=True)
        )
        out = _heard(module, head, text)
        loss = F.cross_entropy(out[..., : len(PHONES)].flatten(0, 2), phones.flatten())
        loss = loss + 0.3 * F.cross_entropy(out[..., len(PHONES) :].flatten(0, 2), stress.flatten())
        optimiser.zero()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(clock.learning_rate())
        if time.monotonic() - shown > 30:
            right = (out[..., : len(PHONES)].argmax(-1) == phones)[phones >= 0].float().mean()
            print(f"spelling: step {clock.step}, loss {float(loss):.3f}, {float(right):.1%} of the phones right", flush=True)
            shown = time.monotonic()
    keep(data / "text.pt", module.state_dict())


def _draw(lessons: list[_Item], rng: np.random.Generator) -> _Item:
    """A lesson, often behind some other text that has none: a model reads the reference's text first."""
    text, phones, stress = lessons[rng.integers(len(lessons))]
    if rng.random() < 0.6:
        other = lessons[rng.integers(len(lessons))][0]
        before = np.concatenate([other[: int(rng.integers(8, max(9, len(other))))], [INDEX["."], 0, 0]])
        blank = np.full((len(before), QUARTERS), _NO_LESSON)
        text, phones, stress = (np.concatenate(pair) for pair in ((before, text), (blank, phones), (blank, stress)))
    return text, phones, stress


def _padded(arrays: Any, value: int) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True, padding_value=value)


def _heard(module: Any, head: nn.Module, text: Tensor) -> Tensor:
    """Logits [b, n, QUARTERS, phones and stresses]."""
    b, n = text.shape
    lengths = (text >= 0).sum(1)
    frames = (lengths * torch.empty(b).uniform_(*PACES)).long()
    index = torch.arange(n)[None].expand(b, -1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedded = embed_text(module, text, lengths, frames, index, torch.zeros(b, dtype=torch.bool))
        out: Tensor = head(F.dropout(embedded, 0.05))
    return out.float().view(b, n, QUARTERS, -1)
