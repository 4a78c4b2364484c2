"""How exact the times of words are, and whether dropped words are found: on flite's speech, whose own times are known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.bench import bench
from f5_worker.text.reading import Reading
from f5_worker.timing.align import ChunkAligner
from f5_worker.timing.pocket import Pocket
from tests.support.word_truth import VOICES, Clip, recorded, said

SENTENCES = (Path(__file__).parent / "word_times.txt").read_text(encoding="utf-8").splitlines()
"""None of which the aligner was tuned on."""
RECORDED = "recorded clips"
_NOTES = (
    "Median / 90th percentile. Every third word is dropped, alone, in two ways: cut out, and never said.",
    "flite's phones have exact times; the recorded clips are flite's too, of earlier sentences.",
)
EVERY = 3  # of the words are dropped, one at a time


@dataclass(slots=True)
class Judgement:
    """What the aligner made of the words of some clips: errors in milliseconds, counts of words, seconds."""

    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    words: int = 0
    doubted: list[str] = field(default_factory=list)
    dropped: int = 0
    missed: list[str] = field(default_factory=list)
    beside: int = 0
    doubted_beside: list[str] = field(default_factory=list)
    speech: float = 0.0
    cpu: float = 0.0

    def row(self, name: str) -> list[str]:
        """Of the benchmark's table."""
        cells = [name, str(self.words)]
        for errors in (self.starts, self.ends):
            cells += [f"{np.median(errors):.0f} / {np.percentile(errors, 90):.0f}", f"{np.mean(np.array(errors) <= 100):.1%}"]
        doubted = len(self.doubted) + len(self.doubted_beside)
        return [
            *cells,
            f"{self.dropped - len(self.missed)} of {self.dropped}",
            f"{doubted} of {self.words + self.beside}",
            f"{60 * self.cpu / self.speech:.1f}",
        ]

    def figures(self) -> dict[str, Any]:
        """The same in numbers, and the words that were judged wrongly."""
        return {
            "words": self.words,
            **{
                f"{name} {what}": value
                for name, errors in (("start", self.starts), ("end", self.ends))
                for what, value in (
                    ("median ms", float(np.median(errors))),
                    ("90th percentile ms", float(np.percentile(errors, 90))),
                    ("share within 100 ms", float(np.mean(np.array(errors) <= 100))),
                )
            },
            "dropped": self.dropped,
            "dropped and not found": self.missed,
            "said": self.words + self.beside,
            "said and doubted": [*self.doubted, *self.doubted_beside],
            "CPU seconds a minute": 60 * self.cpu / self.speech,
        }


def dropped(clip: Clip, voice: str | None, start: int) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """Places of words, and the clip without: cut out of the sound, or never said where a voice can say the rest."""
    words = clip.text.split()
    for place in range(start, len(words), EVERY):
        yield place, clip.without(place)
        if voice is not None and (rest := " ".join([*words[:place], *words[place + 1 :]])):
            yield place, said(voice, rest).samples


def judge(clips: Iterable[Clip], voice: str | None = None) -> Judgement:
    """Align clips with their texts, then each of them without some of its words."""
    found = Judgement()
    with Pocket() as pocket:
        aligner = ChunkAligner(pocket)
        aligner.hear(Reading("Hello."), np.zeros(16_000, dtype=np.float32), 16_000)  # the child starts
        for number, clip in enumerate(clips):
            words = clip.text.split()
            before = _cpu_seconds()
            heard = aligner.hear(Reading(clip.text), clip.samples, clip.rate)
            found.cpu += _cpu_seconds() - before
            found.speech += len(clip.samples) / clip.rate
            found.words += len(words)
            for word, span, truth, sure in zip(words, heard.spans, clip.spans, heard.confidences, strict=True):
                found.starts.append(1000 * abs(span[0] - truth[0]))
                found.ends.append(1000 * abs(span[1] - truth[1]))
                if sure == 0:
                    found.doubted.append(f"{word}: {clip.text}")
            for place, samples in dropped(clip, voice, number % EVERY):
                heard = aligner.hear(Reading(clip.text), samples, clip.rate)
                found.dropped += 1
                found.beside += len(words) - 1
                if heard.confidences[place] > 0:
                    found.missed.append(f"{words[place]}: {clip.text}")
                found.doubted_beside += [
                    f"{word}, beside {words[place]}: {clip.text}"
                    for other, (word, sure) in enumerate(zip(words, heard.confidences, strict=True))
                    if sure == 0 and other != place
                ]
    return found


def _cpu_seconds() -> float:
    """Of this process's children, of which the aligner is one."""
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children())


def together(parts: Sequence[Judgement]) -> Judgement:
    """One of several."""
    whole = Judgement()
    for part in parts:
        for name in Judgement.__slots__:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with bench("word_times", __doc__, arguments, runs=1, warm_ups=0, sentences=len(SENTENCES)) as b:
        sentences, notes = SENTENCES[: b.options.sentences], list(_NOTES)
        judged = {}
        try:
            for voice in VOICES:
                judged[f"flite {voice}"] = judge((said(voice, text) for text in sentences), voice)
            judged["all of flite"] = together([*judged.values()])
        except OSError:
            notes.append("flite's voices are left out: Debian's libflite1 is not installed.")
        judged[RECORDED] = judge(islice(recorded(), max(1, len(sentences) // 10)))
        columns = [
            "",
            "words",
            "start, ms",
            "in 100 ms",
            "end, ms",
            "in 100 ms",
            "dropped, found",
            "said, doubted",
            "CPU s a minute",
        ]
        b.finish(
            columns,
            [each.row(name) for name, each in judged.items()],
            {name: each.figures() for name, each in judged.items()},
            {"sentences": sentences},
            notes=notes,
        )


if __name__ == "__main__":
    main()
