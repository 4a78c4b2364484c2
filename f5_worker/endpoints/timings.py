"""Word times of a job: chunks are aligned while later ones are spoken and the speech is encoded; files and fields of them."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from f5_worker import log
from f5_worker.audio.samples import Samples
from f5_worker.delivery.deliver import store_result
from f5_worker.errors import JobStopped, StorageError, WorkerError
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.mel import SAMPLE_RATE
from f5_worker.resources import Resources
from f5_worker.speech.join import Speech, SpokenChunk
from f5_worker.speech.plan import ChunkPlan
from f5_worker.text.language import language_of
from f5_worker.text.reading import Reading
from f5_worker.timing.align import ChunkAligner, Heard, estimated
from f5_worker.timing.place import TimedWord, settle
from f5_worker.timing.pocket import Pocket
from f5_worker.timing.subtitles import subtitles
from f5_worker.timing.whole import WholeText
from f5_worker.timing.words import words_of

MOST_RETRIES = 2
_NAMED_WORDS = 20
_PART_SECONDS = 0.5

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
        self._whole: WholeText | None = None
        self._chunks: list[SpokenChunk] = []  # that have been spoken, of a stream
        self._placed: list[Heard] = []  # whose words are among those
        self._words: list[TimedWord] = []
        self._verified: list[Verified] = []
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self._exit.callback(self._thread.shutdown)
        self._exit.callback(self._pocket.stop)
        self._exit.enter_context(self._job.stop.wakes(self._pocket.stop))
        if language_of(self._request.text) == "en":
            self._thread.submit(self._pocket.start)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for _, future in self._heard:
            future.cancel()
        self._exit.close()

    def listen(self, plan: Sequence[ChunkPlan], waves: Iterator[Samples], speak_again: SpeakAgain) -> Iterator[Samples]:
        """The waves of a plan's chunks as they come, with ``verify`` the best of several; each is aligned meanwhile."""
        turns = [(turn.start, turn.end) for turn in self._request.script.turns]
        self._whole = WholeText(self._request.text, turns, [item.reading.text for item in plan])
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

    def due(self, chunk: SpokenChunk) -> list[TimedWord]:
        """The words that have become final with a chunk, and with those before it: of a stream's next part.

        It waits for ``_PART_SECONDS`` at most: what is not aligned then comes with a later chunk, or with ``answer``.
        """
        self._chunks.append(chunk)
        wait([self._heard[len(self._chunks) - 1][1]], _PART_SECONDS)
        self._job.stop.check()
        given = len(self._words)
        try:
            while len(self._placed) < len(self._chunks) and self._heard[len(self._placed)][1].done():
                self._place(self._chunks[len(self._placed)], self._heard[len(self._placed)][1])
        except JobStopped:
            raise
        except Exception as error:  # noqa: BLE001 - times are extra; ``answer`` tries again, and says so if that fails
            log.warn(f"Word times failed: {type(error).__name__} in {_place(error)}")
        return self._words[given:]

    def words(self, speech: Speech) -> tuple[list[TimedWord], list[str]]:
        """All words in the whole, and what is to be said about them; waits for what is not aligned yet."""
        for chunk, (length, future) in list(zip(speech.chunks, self._heard, strict=True))[len(self._placed) :]:
            first, end = round(chunk.start * speech.sample_rate), round(chunk.end * speech.sample_rate)
            if end - first != length:  # silence was taken out: the final samples count
                future = self._submit(chunk.plan.reading, speech.samples[first:end])
            self._place(chunk, future)
        warnings = [
            f"The word times of chunk {number} are estimates: {heard.failure}."
            for number, heard in enumerate(self._placed)
            if heard.failure is not None
        ]
        missing = [f'"{word.text}" (chunk {number})' for number, heard in enumerate(self._placed) for word in heard.dropped]
        if missing:
            more = f" and {len(missing) - _NAMED_WORDS} more" if len(missing) > _NAMED_WORDS else ""
            named = ", ".join(missing[:_NAMED_WORDS]) + more
            advice = "" if self._request.verify else " Try another seed, or verify=true."
            warnings.append(f"Not heard in the speech, and perhaps dropped by the voice: {named}.{advice}")
        # Nothing moves, unless there are more words than milliseconds.
        times = settle([(word.start, word.end) for word in self._words], 0, int(speech.duration * 1000))
        return [replace(word, start=start, end=end) for word, (start, end) in zip(self._words, times, strict=True)], warnings

    def _place(self, chunk: SpokenChunk, future: "Future[Heard]") -> None:
        """The words of the next chunk, where they are in the whole."""
        assert self._whole is not None
        heard = self._result(future, chunk.plan.reading, chunk.end - chunk.start)
        own = heard.placed(len(self._placed), chunk.start, (chunk.start, chunk.end))
        self._words += self._whole.add(own, int(chunk.end * 1000))
        self._placed.append(heard)

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
                try:
                    wave = speak_again(replace(item, seed=seed))
                except WorkerError as error:  # what was spoken before is good enough to be delivered
                    if error.refresh_worker:
                        raise
                    self._job.warnings.append(f"Chunk {number} could not be spoken again: {error.message}")
                    break
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
