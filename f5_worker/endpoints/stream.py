"""The parts of a stream: what is final of the speech with each chunk, as pieces of audio that the platform takes."""

import base64
import json
from collections.abc import Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from f5_worker.audio.codec import encode
from f5_worker.audio.rates import RateStream
from f5_worker.audio.samples import Samples
from f5_worker.formats import FORMATS
from f5_worker.job.request import TtsRequest
from f5_worker.mel import SAMPLE_RATE
from f5_worker.speech.join import Speech
from f5_worker.speech.plan import ChunkPlan

if TYPE_CHECKING:
    from f5_worker.timing.place import TimedWord

MAX_AUDIO_BYTES = 640_000
"""Of one part, before base64: beside it the chunk's text has room in the 1 MB that RunPod takes."""
_WORDS_BYTES = 60_000


class Stream:
    """Makes the parts of one job: each a file of its own, or bare samples, at ``rate`` Hz.

    Of pcm, wav and flac, the samples of all parts are those of the result's file, if that is one of these too.
    """

    def __init__(self, request: TtsRequest) -> None:
        self.format = request.stream_format or request.output_format
        self._form = FORMATS[self.format]
        as_result = self._form.any_rate and FORMATS[request.output_format].any_rate
        self.rate = request.result_rate if as_result else self._form.sample_rate
        self._resampler = RateStream(SAMPLE_RATE, self.rate)
        self._samples: list[Samples] = []
        self._words: list[TimedWord] = []  # that no part has yet
        self._number = self._at = 0

    def parts(self, item: ChunkPlan, samples: Samples, last: bool) -> Iterator[dict[str, Any]]:
        """Those of a chunk, of which the first has its text: as few and even ones as the limit allows."""
        # A filter may overshoot what stays within 1.0 by a little.
        resampled = np.clip(self._resampler.add(samples, last), -1.0, 1.0)
        self._samples.append(resampled)
        count = -(-len(resampled) // int(MAX_AUDIO_BYTES / self._form.bytes_per_sample))
        for index, piece in enumerate(np.array_split(resampled, count) if count else ()):
            start, self._at = self._at, self._at + len(piece)
            yield {
                "part": self._number,
                "text": "" if index else item.text,
                "start": round(start / self.rate, 6),
                "end": round(self._at / self.rate, 6),
                "audio_base64": base64.b64encode(encode(piece, self.rate, self._form)).decode("ascii"),
                "format": self.format,
                "sample_rate": self.rate,
            }
            self._number += 1

    def give_words(self, parts: Sequence[dict[str, Any]], words: "Sequence[TimedWord]") -> None:
        """Put ``words``, and those that are left from before, into the parts of a chunk: each where it begins to be heard.

        The last part takes what is left, as far as there is room; the rest goes with the next ones.
        """
        self._words += words
        for part in parts:
            until = inf if part is parts[-1] else part["end"] * 1000
            part["words"], room = [], _WORDS_BYTES
            while self._words and self._words[0].start < until:
                answer = self._words[0].answer()
                room -= len(json.dumps(answer).encode())
                if room < 0:
                    break
                part["words"].append(answer)
                del self._words[0]

    def result(self, speech: Speech, result_rate: int) -> Speech:
        """The speech as the result's file is to have it: the very samples of the parts, where both have one rate."""
        return Speech(np.concatenate(self._samples), self.rate, speech.chunks) if self.rate == result_rate else speech
