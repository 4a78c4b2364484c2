"""Word times of a job: chunks are aligned while later ones are spoken and the speech is encoded; files and fields of them."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from f5_worker import log
from f5_worker.audio.samples import Samples
from f5_worker.delivery.deliver import store_result
from f5_worker.errors import JobStopped, StorageError
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.mel import SAMPLE_RATE
from f5_worker.resources import Resources
from f5_worker.speech.plan import ChunkPlan
from f5_worker.speech.synthesis import Speech
from f5_worker.text.reading import Reading
from f5_worker.timing.align import ChunkAligner, Heard, estimated
from f5_worker.timing.place import TimedWord, settle
from f5_worker.timing.pocket import Pocket
from f5_worker.timing.subtitles import subtitles
from f5_worker.timing.words import words_of

MOST_RETRIES = 2
_NAMED_WORDS = 20

SpeakAgain = Callable[[ChunkPlan], Samples]


@dataclass(slots=True)
class Verified:
    """What ``verify`` did with one chunk: words missing in each attempt, by seed; ``seed`` is the one that was kept."""

    chunk: int
    seed: int
    attempts: list[dict[str, Any]] = field(default_factory=list)


class WordTimer:
    """Times the words of one job; a context manager, since it has a thread and a child process of its own."""

    def __init__(self, request: TtsRequest, job: Job, resources: Resources) -> None:
        self._request, self._job = request, job
        self._pocket = Pocket()

        def other(*of_chunk: Any) -> Any:
            resources.fetch_whisper()
            return resources.scheduler.run(lambda: resources.find_words(*of_chunk), job.stop)

        self._aligner = ChunkAligner(self._pocket, other)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="word-times")
        self._heard: list[tuple[int, Future[Heard]]] = []  # with the length of the chunk's samples
        self._verified: list[Verified] = []
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self._exit.callback(self._thread.shutdown)
        self._exit.callback(self._pocket.stop)
        self._exit.enter_context(self._job.stop.wakes(self._pocket.stop))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for _, future in self._heard:
            future.cancel()
        self._exit.close()

    def listen(self, plan: Sequence[ChunkPlan], waves: Iterator[Samples], speak_again: SpeakAgain) -> Iterator[Samples]:
        """The waves of a plan's chunks as they come, with ``verify`` the best of several; each is aligned meanwhile."""
        for number, (item, wave) in enumerate(zip(plan, waves, strict=True)):
            future = self._submit(item.reading, wave)
            best = wave
            if self._request.verify:
                best, future = self._verify(number, item, wave, future, speak_again)
            self._heard.append((len(best), future))
            yield best

    def answer(self, speech: Speech, job_id: str, folders: Sequence[Path], room: int) -> dict[str, Any]:
        """The answer's fields about the words; what went wrong joins the job's warnings.

        Args:
            folders: for the files on their way to S3.
            room: bytes of text that the answer still holds.
        """
        try:
            with self._job.stages("timing"):
                words, warnings = self.words(speech)
            fields = self._about(words)
            if self._request.return_word_timings:
                with self._job.stages("upload"):
                    fields["timing_files"], failed = timing_files(words, self._request, self._job, job_id, folders, room)
                warnings += failed
        except JobStopped:
            raise
        except Exception as error:  # noqa: BLE001 - times are extra, and the speech is paid for
            log.error(f"Word times failed: {type(error).__name__} in {_place(error)}")
            kind = type(error).__name__
            fields, warnings = {}, [f"The words could not be timed ({kind}); the chunks still have exact times."]
        self._job.warnings.extend(warnings)
        return fields

    def words(self, speech: Speech) -> tuple[list[TimedWord], list[str]]:
        """All words in the whole, and what is to be said about them; waits for what is not aligned yet."""
        words: list[TimedWord] = []
        warnings: list[str] = []
        missing: list[str] = []
        for number, (chunk, (length, future)) in enumerate(zip(speech.chunks, self._heard, strict=True)):
            first, end = round(chunk.start * speech.sample_rate), round(chunk.end * speech.sample_rate)
            if end - first != length:  # silence was taken out: the final samples count
                future = self._submit(chunk.plan.reading, speech.samples[first:end])
            heard = self._result(future, chunk.plan.reading, (end - first) / speech.sample_rate)
            words += heard.placed(number, chunk.start, (chunk.start, chunk.end))
            if heard.failure is not None:
                warnings.append(f"The word times of chunk {number} are estimates: {heard.failure}.")
            missing += [f'"{word.text}" (chunk {number})' for word in heard.dropped]
        if missing:
            more = f" and {len(missing) - _NAMED_WORDS} more" if len(missing) > _NAMED_WORDS else ""
            named = ", ".join(missing[:_NAMED_WORDS]) + more
            advice = "" if self._request.verify else " Try another seed, or verify=true."
            warnings.append(f"Not heard in the speech, and perhaps dropped by the voice: {named}.{advice}")
        whole = _as_sent(self._request, speech, words)
        times = settle([(word.start, word.end) for word in whole], 0, int(speech.duration * 1000))
        return [replace(word, start=start, end=end) for word, (start, end) in zip(whole, times, strict=True)], warnings

    def _about(self, words: Sequence[TimedWord]) -> dict[str, Any]:
        """The answer's fields about the words, but for their files."""
        judged = [word for word in words if word.sounds]
        heard = sum(not word.estimated for word in judged)
        fields: dict[str, Any] = {}
        if self._request.return_word_timings:
            named = self._request.timing_format
            fields = {
                "words": [word.answer() for word in words],
                "word_count": len(words),
                "timing_confidence": round(heard / len(judged), 4) if judged else 0.0,
                "timing_format": named if isinstance(named, str) else list(named),
                "timing_method": self._request.timing_method,
            }
        if self._request.verify:
            fields["verified"] = [
                {"chunk": each.chunk, "seed": each.seed, "attempts": each.attempts} for each in self._verified
            ]
        return fields

    def _submit(self, reading: Reading, samples: Samples) -> "Future[Heard]":
        return self._thread.submit(copy_context().run, self._aligner.hear, reading, samples, SAMPLE_RATE)

    def _result(self, future: "Future[Heard]", reading: Reading, seconds: float) -> Heard:
        try:
            return future.result()
        except Exception as error:  # noqa: BLE001 - times are extra, and the speech is paid for
            self._job.stop.check()
            log.warn(f"Word times failed: {type(error).__name__}")
            return estimated(words_of(reading), [], seconds, f"an unexpected {type(error).__name__}")

    def _verify(
        self, number: int, item: ChunkPlan, wave: Samples, future: "Future[Heard]", speak_again: SpeakAgain
    ) -> "tuple[Samples, Future[Heard]]":
        """The chunk spoken again with the next seed while words are missing, at most twice; the first of the best is kept."""
        kept = Verified(number, item.seed)
        best, fewest = (wave, future), -1
        for retry in range(MOST_RETRIES + 1):
            seed = (item.seed + retry) % 2**31
            if retry:
                wave = speak_again(replace(item, seed=seed))
                future = self._submit(item.reading, wave)
            heard = self._result(future, item.reading, len(wave) / SAMPLE_RATE)
            missing = [word.text for word in heard.dropped]
            kept.attempts.append({"seed": seed, "missing": missing})
            if fewest < 0 or len(missing) < fewest:
                best, fewest, kept.seed = (wave, future), len(missing), seed
            if not missing:
                break
        if len(kept.attempts) > 1:
            self._verified.append(kept)
        return best


def _place(error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(place.filename).name}:{place.lineno}"


def _as_sent(request: TtsRequest, speech: Speech, words: Sequence[TimedWord]) -> list[TimedWord]:
    """``words`` of all chunks as the text has them: one that a chunk's end cut is whole, and what no chunk speaks is there."""
    whole: list[TimedWord] = []
    by_chunk: list[list[TimedWord]] = [[] for _ in speech.chunks]
    for word in words:
        by_chunk[word.chunk].append(word)
    at, spoken_until = 0, 0
    for number, (chunk, own) in enumerate(zip(speech.chunks, by_chunk, strict=True)):
        text = chunk.plan.reading.text
        start = request.text.find(text, at)
        if start >= 0:
            whole += _unspoken(request, spoken_until, start, number, own, whole)
            if start == spoken_until and number and whole and own:
                own = _across(whole, own)
            at = spoken_until = start + len(text)
        whole += own
    return whole + _unspoken(request, spoken_until, len(request.text), max(0, len(by_chunk) - 1), [], whole)


def _across(whole: list[TimedWord], own: list[TimedWord]) -> list[TimedWord]:
    """``own`` without its first word where that goes on the last of ``whole``, which then has both."""
    last, first = whole[-1], own[0]
    if len(words_of(Reading(last.word + first.word))) > 1:
        return [replace(first, joined=True), *own[1:]]
    sure, sounds = min(last.confidence, first.confidence), last.sounds or first.sounds
    whole[-1] = replace(last, word=last.word + first.word, end=first.end, confidence=sure, sounds=sounds)
    return own[1:]


def _unspoken(
    request: TtsRequest, start: int, end: int, chunk: int, own: Sequence[TimedWord], before: Sequence[TimedWord]
) -> list[TimedWord]:
    """Words of the text between two chunks, such as rulers; tags are no words."""
    at = own[0].start if own else before[-1].end if before else 0
    found = []
    for turn in request.script.turns:
        for word in words_of(Reading(request.text[max(start, turn.start) : max(start, turn.start, min(end, turn.end))])):
            found.append(TimedWord(word.text, at, at, 0.0, chunk, word.joined, sounds=False))
    return found


def timing_files(
    words: Sequence[TimedWord], request: TtsRequest, job: Job, job_id: str, folders: Sequence[Path], room: int
) -> tuple[dict[str, str], list[str]]:
    """Each format that is asked for as a presigned URL, or as text without S3; and what went wrong.

    Args:
        folders: for the files on their way to S3; the last is in memory.
        room: bytes of text that the answer still holds.
    """
    files: dict[str, str] = {}
    warnings: list[str] = []
    for name in request.timing_formats:
        text = subtitles(words, name, request.subtitle_words)
        data = text.encode()
        if job.s3 is not None:
            path = folders[-1] / f"timing.{name}"
            try:
                path.write_bytes(data)
                files[name] = store_result(job.s3, path, "timing", job_id, name)
                continue
            except (StorageError, OSError) as error:
                why = error.message if isinstance(error, StorageError) else "there is no room for temporary files"
                warnings.append(f"The {name} timings are in the answer itself: {why}")
        room -= len(data)
        if room >= 0:
            files[name] = text
        else:
            warnings.append(
                f"The {name} timings do not fit into the answer, but the answer's words have the times; set an S3 bucket, or "
                "ask for fewer formats."
            )
    return files, warnings
