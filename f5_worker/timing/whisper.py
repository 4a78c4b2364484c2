"""Words of any language found in speech by a Whisper that is told the text: its cross-attention says where each token is heard.

As openai/whisper's ``find_alignment`` does it for what Whisper itself has recognised; here the decoder is forced to the known
words. Each checkpoint is early or late by an amount of its own, which the pauses of the speech give away.
"""

import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from f5_worker.audio.samples import Samples
from f5_worker.errors import SynthesisError
from f5_worker.timing.pauses import PAUSE_SECONDS, Pause
from f5_worker.timing.place import Span
from f5_worker.timing.words import Word

if TYPE_CHECKING:
    from torch import Tensor

WINDOW_SECONDS = 30.0
_FRAME = 0.02  # seconds of the encoder's frames
_SAID_LEAST = 0.01  # a word's smallest token probability, below which it was not said
_MEDIAN = 7
_ROOM = 8  # tokens of the decoder's that stay free
_OFFSET_REACH = 0.25  # seconds by which a checkpoint may be early or late
_OFFSET_PAUSES = 3  # fewer say nothing
_OFFSET_MEMORY = 200  # pauses


class WhisperAligner:
    """One checkpoint, behind transformers' own pipeline; for one thread at a time. It remembers the offset it has learned."""

    def __init__(self, pipeline: Any) -> None:
        self._model, self._tokenizer, self._features = pipeline.model, pipeline.tokenizer, pipeline.feature_extractor
        self._misses: deque[float] = deque(maxlen=_OFFSET_MEMORY)
        self._offset = 0.0

    def find(
        self, words: Sequence[Word], samples: Samples, pauses: Sequence[Pause], language: str
    ) -> list[tuple[Span, float] | None]:
        """Span and probability of each word in [n] samples at 16 kHz; ``None`` where it was not said.

        Raises:
            SynthesisError: the sound or the text is longer than Whisper takes.
        """
        import torch

        with torch.inference_mode():
            prompt, tokens, owners = self._tokens(words, samples, language)
            seconds = len(samples) / self._features.sampling_rate
            limit = int(self._model.config.max_target_positions) - _ROOM
            if seconds > WINDOW_SECONDS or len(prompt) + len(tokens) > limit:
                raise SynthesisError("the sound is longer than Whisper's 30 s, or the text than its decoder")
            costs, chances = self._attention(prompt, tokens, samples, seconds)
        rows, frames = _warp(costs)
        times = frames[np.searchsorted(rows, np.arange(len(tokens) + 1))] * _FRAME
        found: list[tuple[Span, float] | None] = []
        for number, word in enumerate(words):
            own = [row for row, owner in enumerate(owners) if owner == number]
            sounding = [row for row in own if _sounds(self._tokenizer.decode([tokens[row]]))] or own
            chance = float(min((chances[row] for row in own), default=0.0))
            if not word.sounds or not own or chance < _SAID_LEAST:
                found.append(None)
                continue
            start, end = float(times[sounding[0]]), float(times[sounding[-1] + 1])
            found.append(((start, max(end, start + _FRAME)), round(chance, 3)))
        self._learn([item[0] for item in found if item], pauses)
        return [item and (_moved(item[0], -self._offset, seconds), item[1]) for item in found]

    def _tokens(self, words: Sequence[Word], samples: Samples, language: str) -> tuple[list[int], list[int], list[int]]:
        """The prompt, the text's tokens, and which word each of these belongs to."""
        config = self._model.generation_config
        prompt = [int(config.decoder_start_token_id)]
        if getattr(config, "is_multilingual", False):
            name = f"<|{language}|>"
            known = getattr(config, "lang_to_id", {})
            prompt.append(int(known[name]) if name in known else self._guess(samples))
            prompt.append(int(config.task_to_id["transcribe"]))
        prompt.append(int(config.no_timestamps_token_id))
        tokens, owners = list[int](), list[int]()
        for number, word in enumerate(words):
            text = word.spoken or word.text
            own = self._tokenizer.encode(text if word.joined else f" {text}", add_special_tokens=False)
            tokens += own
            owners += [number] * len(own)
        return prompt, tokens, owners

    def _guess(self, samples: Samples) -> int:
        """The token of the language that Whisper hears."""
        return int(self._model.detect_language(input_features=self._mel(samples))[0])

    def _mel(self, samples: Samples) -> "Tensor":
        mel = self._features(samples, sampling_rate=self._features.sampling_rate, return_tensors="pt").input_features
        return mel.to(self._model.device, self._model.dtype)  # type: ignore[no-any-return]

    def _attention(
        self, prompt: Sequence[int], tokens: Sequence[int], samples: Samples, seconds: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The costs [t + 1, f] of hearing each token, and the end, at each frame of the sound; the probability of each token.

        A token is heard where the place before it, which predicts it, attends to.
        """
        import torch

        model = self._model
        ids = torch.tensor([[*prompt, *tokens, self._tokenizer.eos_token_id]], device=model.device)
        with _eager(model):
            output = model(input_features=self._mel(samples), decoder_input_ids=ids, output_attentions=True)
        first = len(prompt)
        chances = output.logits[0, first - 1 : first - 1 + len(tokens)].float().softmax(-1)
        own = chances.gather(1, torch.tensor(tokens, device=model.device)[:, None])[:, 0]
        frames = max(1, round(seconds / _FRAME))
        layers = output.cross_attentions
        heads = getattr(model.generation_config, "alignment_heads", None) or [
            (layer, head) for layer in range(len(layers) // 2, len(layers)) for head in range(layers[0].shape[1])
        ]
        weights = torch.stack([layers[layer][0, head, :, :frames].float() for layer, head in heads])
        spread = weights.std(dim=-2, keepdim=True, unbiased=False)
        weights = (weights - weights.mean(dim=-2, keepdim=True)) / spread.clamp(min=1e-9)
        matrix = _smooth(weights.cpu().numpy()).mean(axis=0)[first - 1 : first + len(tokens)]
        return -matrix.astype(np.float64), own.cpu().numpy().astype(np.float64)

    def _learn(self, spans: Sequence[Span], pauses: Sequence[Pause]) -> None:
        """The offset: how far the gaps between words are from the middles of the pauses that they should be."""
        inner = [(first, last) for first, last in pauses if last - first >= PAUSE_SECONDS and first > 0]
        for first, last in inner:
            gaps = [(end + start) / 2 - (first + last) / 2 for (_, end), (start, _) in pairwise(spans)]
            nearest = min(gaps, key=abs, default=_OFFSET_REACH)
            if abs(nearest) < _OFFSET_REACH:
                self._misses.append(nearest)
        if len(self._misses) >= _OFFSET_PAUSES:
            self._offset = float(np.median(self._misses))


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """The default attention of transformers gives no weights out."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _sounds(text: str) -> bool:
    return any(unicodedata.category(character)[0] in "LNM" for character in text)


def _moved(span: Span, by: float, seconds: float) -> Span:
    start = min(max(0.0, span[0] + by), max(0.0, seconds - _FRAME))
    return start, max(start + _FRAME / 2, min(span[1] + by, seconds))


def _smooth(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of 7 neighbours along the last axis, edges reflected."""
    edge = _MEDIAN // 2
    if weights.shape[-1] <= edge:
        return weights
    padded = np.pad(weights, [(0, 0)] * (weights.ndim - 1) + [(edge, edge)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=-1)
    smooth: NDArray[np.float32] = np.median(windows, axis=-1)
    return smooth


def _warp(costs: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Dynamic time warping: the cheapest monotonic path through ``costs`` [tokens, frames], as its rows and columns."""
    count, frames = costs.shape
    total = np.full((count + 1, frames + 1), np.inf)
    total[0, 0] = 0
    for row in range(1, count + 1):
        above = np.minimum(total[row - 1, :-1], total[row - 1, 1:]) + costs[row - 1]
        running = total[row]
        for column in range(1, frames + 1):
            left = running[column - 1] + costs[row - 1, column - 1]
            running[column] = left if left < above[column - 1] else above[column - 1]
    path, row, column = [], count, frames
    while row > 0 and column > 0:
        path.append((row - 1, column - 1))
        steps = (total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
        best = int(np.argmin(steps))
        row, column = row - (best != 2), column - (best != 1)
    rows, columns = np.array(path[::-1], dtype=np.int64).T
    return rows, columns
