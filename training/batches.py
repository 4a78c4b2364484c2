"""Batches of [reference | speech], put together as the worker does: the reference's characters a second are the speech's."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.forward import upsample_index
from training.lessons import Lesson, load, stretched
from training.shape import INDEX, PACE, tokens

FLOOR = math.log(1e-5)  # of a log mel
_POOL, _MORE = 40, 160


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """``tokens`` [b, n] and ``index`` [b, frames] are padded with -1, and ``lengths`` [b] and ``total`` [b] of them are real.

    ``index`` is that of ``upsample_index``; of ``mel`` [b, frames, 100] the first ``known`` [b] frames are the reference's.
    """

    tokens: Tensor
    lengths: Tensor
    index: Tensor
    mel: Tensor
    known: Tensor
    total: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    tokens: NDArray[np.int64]
    mel: NDArray[np.float32]
    known: int = 0


class Batches:
    """Draws of lessons. ``late``: whole references come first; before, mostly none or short ones, which cost less time."""

    def __init__(self, data: Path, seed: int) -> None:
        self.late = False
        self._rng = np.random.default_rng(seed)
        self._pool: list[_Item] = []
        self._lessons: list[Lesson] = load(data, "lessons")
        self._references = [_Item(tokens(item.text), item.mel.astype(np.float32)) for item in load(data, "references")]
        self._tokens = [tokens(item.text) for item in self._lessons]
        self.mean = np.concatenate([item.mel for item in self._lessons[:300]]).astype(np.float32).mean(0)

    def be_late(self) -> None:
        """From now on draw as the last part of the time wants it."""
        self.late, self._pool = True, []

    def draw(self, frames: int) -> Batch:
        """Items of like length, about ``frames`` frames together."""
        if len(self._pool) < _POOL:
            self._pool = sorted([*self._pool, *(self._one() for _ in range(_MORE))], key=lambda item: len(item.mel))
        at = int(self._rng.integers(len(self._pool)))
        count = max(2, frames // len(self._pool[at].mel))
        at = min(at, max(0, len(self._pool) - count))
        items, self._pool = self._pool[at : at + count], self._pool[:at] + self._pool[at + count :]
        return _batch(items)

    def _one(self) -> _Item:
        chance, number = self._rng.random, self._number()
        pace, speech = self._lessons[number].pace, self._speech(number)
        if chance() < (0.2 if self.late else 0.75):
            return speech
        if abs(pace - PACE) < 0.01 and chance() < (0.45 if self.late else 0.1):
            return _behind(self._references[0], speech)  # the built-in voice, as it is
        reference = self._references[self._rng.integers(len(self._references))]
        if chance() < 0.15:
            other = self._number()
            text = np.concatenate([self._tokens[other], [0, 0]])
            reference = _Item(text, self._lessons[other].mel.astype(np.float32))
        before, heard = reference.tokens, reference.mel
        if chance() < (0.35 if self.late else 0.9) and len(before) > (kept := int(self._rng.integers(8, 20))):
            heard = heard[: max(20, int(len(heard) * kept / len(before)))]
            before = np.concatenate([before[:kept], [INDEX["."], 0, 0]])
        heard = stretched(heard, np.linspace(0, len(heard) - 1, round(pace * len(before)) + 1))
        return _behind(_Item(before, np.maximum(heard + self._rng.normal() * 0.5, FLOOR).astype(np.float32)), speech)

    def _speech(self, number: int) -> _Item:
        """A lesson; late, at times two of one pace with the space between them."""
        lesson = self._lessons[number]
        text, mel = self._tokens[number], lesson.mel.astype(np.float32)
        if self.late and self._rng.random() < 0.15:
            for other in (self._number() for _ in range(20)):
                second = self._lessons[other]
                if abs(second.pace - lesson.pace) < 0.02:
                    whole = int(lesson.pace * (len(lesson.text) + 1 + len(second.text)))
                    gap = np.repeat(mel[-1:], max(0, whole - len(mel) - len(second.mel)), 0)
                    return _Item(
                        np.concatenate([text, [0], self._tokens[other]]),
                        np.concatenate([mel, gap, second.mel.astype(np.float32)]),
                    )
        return _Item(text, mel)

    def _number(self) -> int:
        return int(self._rng.integers(len(self._lessons)))


def _behind(reference: _Item, speech: _Item) -> _Item:
    """As the worker joins them: the reference's mel has a frame more than its samples fill, and the speech begins there."""
    return _Item(
        np.concatenate([reference.tokens, speech.tokens]),
        np.concatenate([reference.mel, speech.mel[1:]]),
        len(reference.mel),
    )


def _batch(items: list[_Item]) -> Batch:
    b, n, frames = len(items), max(len(item.tokens) for item in items), max(len(item.mel) for item in items)
    text, index = torch.full((b, n), -1), torch.full((b, frames), -1)
    mel = torch.zeros(b, frames, items[0].mel.shape[1])
    for row, item in enumerate(items):
        text[row, : len(item.tokens)] = torch.from_numpy(item.tokens)
        mel[row, : len(item.mel)] = torch.from_numpy(item.mel)
        index[row, : len(item.mel)] = torch.from_numpy(upsample_index(len(item.tokens), len(item.mel)))
    lengths = torch.tensor([len(item.tokens) for item in items])
    known, total = torch.tensor([item.known for item in items]), torch.tensor([len(item.mel) for item in items])
    return Batch(text, lengths, index, mel, known, total)
