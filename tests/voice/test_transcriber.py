"""Whisper through transformers' real pipeline, with a tiny random checkpoint; and every way in which it can fail to load."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from f5_worker.errors import (
    CheckpointMismatchError,
    CheckpointNotFoundError,
    CudaBrokenError,
    HubUnreachableError,
    ModelUnavailableError,
    PackageMissingError,
    ReferenceClipError,
    SynthesisError,
)
from f5_worker.voice import transcriber as transcription
from f5_worker.voice.transcriber import Transcriber
from tests import PATIENCE
from tests.support.sounds import Samples, voice
from tests.support.tiny_whisper import TRANSCRIPT_WORDS, WORDS, make_tiny_whisper

Loads = Callable[[Callable[[str, str], Any]], None]
Answering = Callable[[Callable[[Samples], str]], Transcriber]


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class _Pipeline:
    """What a ``Transcriber`` needs of a pipeline, for answers that a real Whisper gives only by chance."""

    class feature_extractor:  # noqa: N801 - named as the attribute
        sampling_rate = 16_000

    model = None

    def __init__(self, answer: Callable[[Samples], str]) -> None:
        self._answer = answer

    def __call__(self, audio: Samples, **_options: Any) -> dict[str, str]:
        return {"text": self._answer(audio)}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Sets what is done in place of loading a checkpoint, from its name and device."""

    def instead(load: Callable[[str, str], Any]) -> None:
        monkeypatch.setattr(transcription, "_load_pipeline", load)

    return instead


@pytest.fixture
def answering(loads: Loads) -> Answering:
    """Makes a transcriber that hears what the given function says."""

    def make(answer: Callable[[Samples], str]) -> Transcriber:
        loads(lambda _name, _device: _Pipeline(answer))
        return Transcriber("whisper", "cpu")

    return make


def _raising(error: Exception) -> Callable[[Samples], str]:
    def answer(_audio: Samples) -> str:
        raise error

    return answer


def _load_error(transcriber: Transcriber) -> ModelUnavailableError:
    with pytest.raises(ModelUnavailableError) as caught:
        transcriber.transcribe(voice(2.0))
    assert "ref_text" in caught.value.message
    return caught.value


@pytest.mark.parametrize("multilingual", [True, False])
def test_the_real_pipeline_hears_words(
    tmp_path: Path, multilingual: bool, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    folder = make_tiny_whisper(tmp_path / "whisper", multilingual=multilingual)
    capfd.readouterr()
    transcriber = Transcriber(str(folder), "cpu")
    texts = [transcriber.transcribe(voice(seconds)) for seconds in (1.0, 5.0, 12.0)]
    for text in texts:
        words = text.split(" ")
        assert len(words) == TRANSCRIPT_WORDS
        assert set(words) <= set(WORDS)
    assert transcriber.transcribe(voice(5.0)) == texts[1]
    out, err = capfd.readouterr()
    assert len((out + err).splitlines()) == 2, "one line when it starts to load, one when it is loaded"
    assert str(tmp_path) not in out + err
    assert not recwarn.list


def test_nothing_is_loaded_before_the_first_clip(loads: Loads) -> None:
    names: list[str] = []

    def load(name: str, _device: str) -> Any:
        names.append(name)
        return _Pipeline(lambda _audio: "yes")

    loads(load)
    transcriber = Transcriber("whisper", "cpu")
    assert not names
    for _ in range(2):
        transcriber.transcribe(voice(1.0))
    assert names == ["whisper"]


def test_the_clip_is_not_changed(tiny_whisper: Path) -> None:
    samples = voice(2.0)
    before = samples.copy()
    Transcriber(str(tiny_whisper), "cpu").transcribe(samples)
    np.testing.assert_array_equal(samples, before)


def test_the_sound_arrives_at_whispers_rate_and_nothing_keeps_gradients(answering: Answering) -> None:
    heard: list[tuple[int, bool]] = []

    def answer(audio: Samples) -> str:
        heard.append((len(audio), torch.is_inference_mode_enabled()))
        return "  a word \n"

    assert answering(answer).transcribe(voice(3.0)) == "a word"
    assert heard == [(48_000, True)]


@pytest.mark.parametrize("multilingual", [True, False])
def test_a_multilingual_model_is_told_not_to_translate(multilingual: bool, loads: Loads) -> None:
    class Config:
        is_multilingual = multilingual

    class Model:
        generation_config = Config

    options: list[dict[str, Any]] = []

    class Pipeline(_Pipeline):
        model: Any = Model

        def __call__(self, audio: Samples, **given: Any) -> dict[str, str]:
            options.append(given)
            return super().__call__(audio)

    loads(lambda _name, _device: Pipeline(lambda _audio: "yes"))
    Transcriber("whisper", "cpu").transcribe(voice(1.0))
    assert options == [{"generate_kwargs": {"task": "transcribe"} if multilingual else {}}]


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_no_words_ask_for_the_transcript(text: str, answering: Answering) -> None:
    with pytest.raises(ReferenceClipError, match="ref_text") as caught:
        answering(lambda _audio: text).transcribe(voice(2.0))
    assert caught.value.details["field"] == "ref_text"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), SynthesisError, "send ref_text"),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), CudaBrokenError, "new worker"),
    ],
)
def test_a_gpu_that_fails_is_explained(error: Exception, kind: type[Exception], said: str, answering: Answering) -> None:
    with pytest.raises(kind, match=said):
        answering(_raising(error)).transcribe(voice(1.0))


def test_several_at_once_load_it_once(tiny_whisper: Path, loads: Loads) -> None:
    names: list[str] = []
    real = transcription._load_pipeline
    started = threading.Barrier(6)

    def load(name: str, device: str) -> Any:
        names.append(name)
        return real(name, device)

    loads(load)
    transcriber = Transcriber(str(tiny_whisper), "cpu")
    texts: list[str] = []

    def work() -> None:
        started.wait(PATIENCE)
        texts.append(transcriber.transcribe(voice(2.0)))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert names == [str(tiny_whisper)]
    assert len(texts) == 6
    assert len(set(texts)) == 1


def test_a_failed_load_is_kept_then_tried_again_then_forgotten(
    tmp_path: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, folder, tries = _Clock(), tmp_path / "whisper", list[float]()
    real = transcription._load_pipeline

    def load(name: str, device: str) -> Any:
        tries.append(clock.now)
        return real(name, device)

    loads(load)
    transcriber = Transcriber(str(folder), "cpu", retry_seconds=30)
    monkeypatch.setattr(transcriber._pipeline, "_clock", clock)
    first = _load_error(transcriber)
    clock.now += 29.9
    again = _load_error(transcriber)
    assert again is not first  # a second traceback must not grow on the first
    assert (type(again), again.message, again.details) == (type(first), first.message, first.details)
    assert len(tries) == 1
    clock.now += 0.2
    _load_error(transcriber)
    assert tries == [100.0, 130.1]
    make_tiny_whisper(folder)
    clock.now += 30.1
    assert transcriber.transcribe(voice(2.0))
    clock.now += 0.1
    assert transcriber.transcribe(voice(2.0))
    assert len(tries) == 3


def _cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(_cut_weights, CheckpointMismatchError), (_no_weights, ModelUnavailableError), (shutil.rmtree, ModelUnavailableError)],
)
def test_a_damaged_checkpoint_is_explained(tmp_path: Path, damage: Callable[[Path], None], kind: type[Exception]) -> None:
    folder = make_tiny_whisper(tmp_path / "my-whisper")
    damage(folder)
    error = _load_error(Transcriber(str(folder), "cpu"))
    assert isinstance(error, kind)
    assert str(tmp_path) not in str(error.answer())
    assert "my-whisper" in error.message


def test_a_whisper_in_runpods_model_cache_is_used_without_the_hub(tmp_path: Path, tiny_whisper: Path) -> None:
    repo = tmp_path / "huggingface-cache" / "hub" / "models--openai--whisper-large-v3-turbo"
    shutil.copytree(tiny_whisper, repo / "snapshots" / "abc")
    transcriber = Transcriber("openai/whisper-large-v3-turbo", "cpu", network_volume=tmp_path)
    assert len(transcriber.transcribe(voice(2.0)).split()) == TRANSCRIPT_WORDS


def test_an_unreachable_hub_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    error = _load_error(Transcriber("openai/whisper-large-v3-turbo", "cpu"))
    assert isinstance(error, HubUnreachableError)
    assert "openai/whisper-large-v3-turbo" in error.message
    assert "ASR_MODEL" in error.message
    assert "F5TTS_MODEL" not in error.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModuleNotFoundError("No module named 'transformers'", name="transformers"), PackageMissingError),
        (FileNotFoundError("no such file"), CheckpointNotFoundError),
        (KeyError("whatever"), ModelUnavailableError),
    ],
)
def test_whatever_a_load_raises_is_typed(error: Exception, kind: type[Exception], loads: Loads) -> None:
    def load(_name: str, _device: str) -> Any:
        raise error

    loads(load)
    assert isinstance(_load_error(Transcriber("whisper", "cpu")), kind)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_the_real_pipeline_runs_in_half_precision_on_a_gpu(tiny_whisper: Path) -> None:
    assert transcription._load_pipeline(str(tiny_whisper), "cuda").dtype == torch.float16
    assert len(Transcriber(str(tiny_whisper), "cuda").transcribe(voice(3.0)).split()) == TRANSCRIPT_WORDS
