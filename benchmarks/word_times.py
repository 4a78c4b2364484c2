"""How exact the times of words are, and whether dropped words are found: on flite's speech, whose own times are known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np

from benchmarks.bench import bench
from f5_worker.audio.codec import resample
from f5_worker.text.reading import Reading
from f5_worker.timing.align import ChunkAligner
from f5_worker.timing.pauses import find_pauses, snap
from f5_worker.timing.place import fill
from f5_worker.timing.pocket import SAMPLE_RATE, Pocket
from f5_worker.timing.whisper import WhisperAligner
from f5_worker.timing.words import words_of
from f5_worker.voice.transcriber import Transcriber
from tests.support.whisper import make_whisper
from tests.support.word_truth import VOICES, Clip, recorded, said

SENTENCES = (Path(__file__).parent / "word_times.txt").read_text(encoding="utf-8").splitlines()
"""None of which the aligner was tuned on."""
RECORDED = "recorded clips"
WHISPER = "Whisper tiny.en, told the text"
JOINED = 5
_NOTES = (
    "Median / 90th percentile. Every fifth word is dropped, alone, in two ways: cut out, and never said.",
    "flite's phones have exact times; the recorded clips are flite's too, of earlier sentences.",
)
EVERY = 5  # of the words are dropped, one at a time


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
            f"{self.dropped - len(self.missed)} of {self.dropped}" if self.dropped else "not asked",
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


def judge(clips: Sequence[Clip], voice: str | None = None) -> Judgement:
    """Align clips with their texts, then each of them without some of its words."""
    found = Judgement(words=sum(len(clip.spans) for clip in clips), speech=sum(len(clip.samples) / clip.rate for clip in clips))
    before = getrusage(RUSAGE_CHILDREN)
    with Pocket() as pocket:
        for clip in clips:
            heard = ChunkAligner(pocket).hear(Reading(clip.text), clip.samples, clip.rate)
            for word, span, sure, truth in zip(heard.words, heard.spans, heard.confidences, clip.spans, strict=True):
                found.starts.append(1000 * abs(span[0] - truth[0]))
                found.ends.append(1000 * abs(span[1] - truth[1]))
                if sure == 0:
                    found.doubted.append(f"{word.text}: {clip.text}")
    after = getrusage(RUSAGE_CHILDREN)  # of the aligner's process, its start included
    found.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with Pocket() as pocket:
        for number, clip in enumerate(clips):
            for place, samples in dropped(clip, voice, number % EVERY):
                heard = ChunkAligner(pocket).hear(Reading(clip.text), samples, clip.rate)
                named, missing = heard.words[place], heard.dropped
                found.dropped += 1
                found.beside += len(heard.words) - 1
                if named not in missing:
                    found.missed.append(f"{named.text}: {clip.text}")
                found.doubted_beside += [
                    f"{word.text}, beside {named.text}: {clip.text}" for word in missing if word is not named
                ]
    return found


def judge_whisper(clips: Sequence[Clip], aligner: WhisperAligner) -> Judgement:
    """The same for ``WhisperAligner``, on clips joined to chunks as long as a voice's; it learns its offset on the way."""
    found = Judgement()
    for at in range(0, len(clips), JOINED):
        part = clips[at : at + JOINED]
        sound = np.concatenate([resample(clip.samples, clip.rate, SAMPLE_RATE) for clip in part])
        offsets = np.cumsum([0.0, *(len(clip.samples) / clip.rate for clip in part)])
        spans = [(offset, span) for clip, offset in zip(part, offsets, strict=False) for span in clip.spans]
        words, before = words_of(Reading(" ".join(clip.text for clip in part))), process_time()
        pauses = find_pauses(sound, SAMPLE_RATE)
        heard = snap([item and item[0] for item in aligner.find(words, sound, pauses, "en")], pauses)
        found.cpu += process_time() - before
        found.speech += len(sound) / SAMPLE_RATE
        found.words += len(words)
        found.doubted += [word.text for word, span in zip(words, heard, strict=True) if span is None]
        for (start, end), (offset, truth) in zip(fill(words, heard, pauses, float(offsets[-1])), spans, strict=True):
            found.starts.append(1000 * abs(start - offset - truth[0]))
            found.ends.append(1000 * abs(end - offset - truth[1]))
    return found


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
                judged[f"flite {voice}"] = judge([said(voice, text) for text in sentences], voice)
            judged["all of flite"] = together([*judged.values()])
        except OSError:
            notes.append("flite's voices are left out: Debian's libflite1 is not installed.")
        clips = [said(voice, text) for voice in VOICES for text in sentences] if judged else list(recorded())
        with TemporaryDirectory() as folder:
            whisper = Transcriber(str(make_whisper(Path(folder) / "whisper")), "cpu", retry_seconds=0)
            judged[WHISPER] = judge_whisper(clips, WhisperAligner(whisper.pipeline()))
        judged[RECORDED] = judge(list(recorded())[: max(1, len(sentences) // 10)])
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
