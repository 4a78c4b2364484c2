"""The handler in one process: the model's life, the stop of a job, the old function's contract, and errors as answers."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

import handler
from f5_worker.model import load as model_loading
from f5_worker.model.engine import load_engine
from f5_worker.model.smoke import SMOKE_CONFIG, make_model_folder
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from tests import PATIENCE, REPOSITORY, wait_until
from tests.support.fresh_worker import LONG_TEXT, QUICK, FreshWorker, base64_of, sound
from tests.support.s3_server import s3_environment
from tests.support.sounds import silence, sound_file, voice


def run_script(source: str, environment: dict[str, str], *arguments: str) -> str:
    """The output of ``source`` in a Python of its own, in the repository."""
    command = [sys.executable, "-c", source, *arguments]
    run = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


class Loads:
    """Counts the real loads; ``during`` is called at the head of each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, during: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        real = model_loading.load_model

        def load_model(settings: Settings) -> model_loading.LoadedModel:
            self.count += 1
            during()
            return real(settings)

        monkeypatch.setattr(model_loading, "load_model", load_model)


class Gate:
    """Counts the ODE steps of the loaded model, and holds the work up before step ``at`` until ``open`` is set."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, *_: Any, **__: Any) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.reached.set()
            assert self.open.wait(PATIENCE)

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 60)


@contextmanager
def hooked(hook: Callable[..., Any]) -> Iterator[None]:
    """``hook`` is called before every pass through the backbone, which is once an ODE step."""
    assert handler.f5tts_model is not None
    handle = handler.f5tts_model.cfm.transformer.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def steps(at: int) -> Iterator[Gate]:
    gate = Gate(at)
    with hooked(gate):
        try:
            yield gate
        finally:
            gate.open.set()


def job(job_input: object, job_id: str = "job-1") -> dict[str, Any]:
    return {"id": job_id, "input": job_input}


# Importing


def test_importing_the_handler_adds_no_package_to_what_the_sdk_imports(environment: dict[str, str]) -> None:
    source = """
import pathlib, sys
import runpod
before = set(sys.modules)
import handler
added = {name.partition(".")[0] for name in set(sys.modules) - before}
ours = {path.stem for path in pathlib.Path().iterdir()}
print(sorted(added - ours - set(sys.stdlib_module_names)))
print(handler.f5tts_model, handler.model_load_error)
"""
    assert run_script(source, environment).splitlines() == ["[]", "None None"]


def test_only_speech_loads_the_model(environment: dict[str, str], s3_config: S3Config, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(sound_file(voice(3, rate=44_100), rate=44_100))
    environment |= {"F5TTS_MODEL": "smoke", **s3_environment(s3_config)}
    source = """
import asyncio, base64, json, pathlib, sys
import handler
from f5_worker.delivery.deliver import store_result
from f5_worker.settings import load_settings

folder = pathlib.Path(sys.argv[1])
clip, result = folder / "clip.wav", "00000000-0000-4000-8000-000000000001"
store_result(load_settings().s3, clip, "audio", result, "wav")
encoded = base64.b64encode(clip.read_bytes()).decode()

def ask(**job_input):
    answer = asyncio.run(handler.handler({"id": "a", "input": job_input}))
    light = handler.f5tts_model is None and not {"torch", "f5_tts", "transformers"} & set(sys.modules)
    print(json.dumps([answer.get("status"), answer.get("error_type"), light]))

ask(endpoint="health")
ask(endpoint="status")
ask(endpoint="list_voices")
ask(endpoint="upload", voice_name="anna.wav", voice_base64=encoded)
ask(endpoint="list_voices")
ask(endpoint="download", job_id=result)
ask(endpoint="delete_voice", voice_name="anna.wav")
ask(text="Hello.", sped=2)
ask(text="  ")
ask(text="Hello.", local_voice="nobody.wav")
ask(text="Hello.", ref_audio_base64=base64.b64encode(b"<html>").decode())
ask(endpoint="health")
ask(text="Hello.", nfe_step=1)
"""
    lines = [json.loads(line) for line in run_script(source, environment, str(tmp_path)).splitlines() if line.startswith("[")]
    assert lines == [
        ["healthy", None, True],
        ["healthy", None, True],
        ["success", None, True],
        ["success", None, True],
        ["success", None, True],
        ["ready", None, True],
        ["success", None, True],
        [None, "InputError", True],
        [None, "InputError", True],
        [None, "NotFoundError", True],
        [None, "ReferenceClipError", True],
        ["healthy", None, True],
        ["completed", None, False],
    ]


# Loading


def test_of_many_first_requests_one_loads_and_the_others_wait(
    fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, arrived = 16, threading.Semaphore(0)
    loaded = []

    def wait_for_all() -> None:
        for _ in range(callers):
            assert arrived.acquire(timeout=PATIENCE)

    def first_request() -> None:
        arrived.release()
        loaded.append((handler.initialize_models(), handler.f5tts_model))

    loads = Loads(monkeypatch, during=wait_for_all)
    threads = [threading.Thread(target=first_request) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads.count == 1
    assert loaded == [(True, handler.f5tts_model)] * callers
    assert handler.f5tts_model is not None
    assert fresh_worker.left_behind() == []


def test_jobs_that_come_at_once_share_one_load_and_one_voice_each(
    fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = Loads(monkeypatch)

    async def together() -> list[dict[str, Any]]:
        return await asyncio.gather(*(handler.handler(job({**QUICK, "seed": seed}, f"job-{seed}")) for seed in range(6)))

    answers = asyncio.run(together())
    assert loads.count == 1
    assert [answer["seed"] for answer in answers] == list(range(6))
    assert len({sound(answer).data for answer in answers}) == 6
    assert fresh_worker.left_behind() == []


def test_of_many_first_requests_one_fails_for_all(fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh_worker.restart(F5TTS_MODEL="F5TTS_v9_Huge")
    loads = Loads(monkeypatch)

    async def together() -> list[dict[str, Any]]:
        return await asyncio.gather(*(handler.handler(job(QUICK, f"job-{number}")) for number in range(6)))

    answers = asyncio.run(together())
    assert loads.count == 1
    assert answers == [answers[0]] * 6
    assert answers[0]["error"].startswith("Model not available: ")


def test_a_failed_load_is_remembered_then_tried_again_and_forgotten_by_success(
    fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fresh_worker.folder / "my-model"
    folder.mkdir()
    fresh_worker.restart(F5TTS_MODEL=folder, MODEL_RETRY_SECONDS=30)
    fresh_worker.now, loads = 1000.0, Loads(monkeypatch)

    first = fresh_worker.ask(QUICK)
    assert first["error"].startswith("Model not available: F5TTS_MODEL: there is no file my-model/config.yaml")
    assert first["error_type"] == "CheckpointNotFoundError"
    assert handler.model_load_error == first["error"]
    assert (handler.f5tts_model, loads.count) == (None, 1)

    make_model_folder(folder)
    fresh_worker.now += 29.9
    assert fresh_worker.ask(QUICK) == first
    assert handler.initialize_models() is False
    assert handler.generate_tts_audio("Hello.") == (None, 0.0, first["error"])
    own_voice = {"ref_audio_base64": base64_of(sound_file(voice(3)))}  # its transcript is not worth a load of Whisper now
    assert fresh_worker.ask({**QUICK, **own_voice}) == first
    assert loads.count == 1
    health = fresh_worker.health()
    assert health["status"] == "degraded"
    assert health["model"] == {"loaded": False, "name": "my-model", "error": first["error"], "retry_in": 0.1}

    fresh_worker.now += 0.2
    fresh_worker.speaks()
    assert loads.count == 2
    assert handler.model_load_error is None
    assert fresh_worker.health()["model"] == {"loaded": True, "name": "my-model", "device": "cpu", "dtype": "float32"}
    fresh_worker.speaks()
    assert loads.count == 2


def test_a_retry_that_fails_again_starts_the_cool_down_anew(fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fresh_worker.folder / "my-model"
    folder.mkdir()
    fresh_worker.restart(F5TTS_MODEL=folder, MODEL_RETRY_SECONDS=30)
    fresh_worker.now, loads = 1000.0, Loads(monkeypatch)
    fresh_worker.ask(QUICK)
    (folder / "config.yaml").write_text("model: none of ours")
    fresh_worker.now += 31
    second = fresh_worker.ask(QUICK)
    assert second["error_type"] == "CheckpointNotFoundError"
    assert "vocab.txt" in second["error"]
    fresh_worker.now += 29
    assert fresh_worker.ask(QUICK) == second
    assert loads.count == 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [("F5TTS_DEVICE", "tpu"), ("MODEL_RETRY_SECONDS", "soon"), ("MAX_TEXT_CHARS", "-1"), ("S3_BUCKET", "a b")],
)
def test_a_setting_that_cannot_work_is_an_answer_and_a_health_entry(
    fresh_worker: FreshWorker, setting: str, value: str
) -> None:
    fresh_worker.restart(**{setting: value})
    for job_input in (QUICK, {"endpoint": "list_voices"}, {"endpoint": "delete_voice", "voice_name": "anna.wav"}):
        answer = fresh_worker.ask(job_input)
        assert answer["error_type"] == "SettingsError"
        assert setting in answer["error"]
    assert handler.generate_tts_audio("Hello.")[2] == handler.model_load_error
    assert setting in (handler.model_load_error or "")
    health = fresh_worker.health()
    assert health["status"] == "degraded"
    assert [setting in problem for problem in health["settings"]["problems"]] == [True]


# Where no real part can run: this machine's GPU (it has none) answers what torch raises elsewhere.
@pytest.mark.parametrize(
    ("said", "error_type", "fix", "refresh"),
    [
        (
            "The NVIDIA driver on your system is too old (found version 11080). Please update your GPU driver",
            "DriverTooOldError",
            "allowed CUDA versions",
            True,
        ),
        ("CUDA error: out of memory", "OutOfMemoryError", "Choose a GPU", None),
    ],
)
def test_a_gpu_that_cannot_be_used_is_explained(
    fresh_worker: FreshWorker,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    error_type: str,
    fix: str,
    refresh: bool | None,
) -> None:
    def init() -> None:
        raise RuntimeError(said)

    with monkeypatch.context() as patched:
        patched.setattr(load_engine().torch.cuda, "init", init)
        fresh_worker.restart(F5TTS_DEVICE="auto", MODEL_RETRY_SECONDS=0)
        answer = fresh_worker.ask(QUICK)
    assert answer["error"].startswith("Model not available: ")
    assert fix in answer["error"]
    assert (answer["error_type"], answer.get("refresh_worker")) == (error_type, refresh)
    fresh_worker.speaks()


# Stopping


@pytest.mark.parametrize(
    ("job_input", "at"),
    [({"text": "Hello.", "nfe_step": 64}, 3), ({"text": LONG_TEXT, "nfe_step": 1}, 2)],
    ids=["step", "chunk"],
)
def test_a_stopped_job_ends_its_work_at_the_next_step_or_chunk(
    fresh_worker: FreshWorker, job_input: dict[str, Any], at: int
) -> None:
    fresh_worker.speaks()

    async def stop_in_mid_work(gate: Gate) -> None:
        task = asyncio.create_task(handler.handler(job(job_input)))
        await gate.wait()
        assert fresh_worker.left_behind() != []
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.open.set()

    heard = ""

    def ended() -> bool:
        nonlocal heard
        heard += fresh_worker.heard()
        return "job-1 | The job was stopped; its work has ended" in heard

    with steps(at) as gate:
        asyncio.run(stop_in_mid_work(gate))
        wait_until(ended)  # nobody waits for the thread of a stopped job
        assert gate.steps == at
    assert fresh_worker.left_behind() == []
    fresh_worker.speaks()
    assert fresh_worker.health()["jobs"] == {"completed": 2, "failed": 0, "stopped": 1}


def test_while_one_job_speaks_others_are_answered_or_wait_and_may_be_stopped(fresh_worker: FreshWorker) -> None:
    fresh_worker.speaks()

    async def three_jobs(gate: Gate) -> dict[str, Any]:
        speaking = asyncio.create_task(handler.handler(job(QUICK, "speaking")))
        await gate.wait()
        assert (await handler.handler(job({"endpoint": "health"}, "asking")))["model"]["loaded"]
        waiting = asyncio.create_task(handler.handler(job(QUICK, "waiting")))
        stopped = asyncio.create_task(handler.handler(job(QUICK, "stopped")))
        while len(handler.resources.scheduler._waiting) < 2:
            await asyncio.sleep(0.01)
        stopped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopped
        while "stopped | The job was stopped; its work has ended" not in fresh_worker.heard() + fresh_worker.log:
            await asyncio.sleep(0.01)
        assert gate.steps == 1
        gate.open.set()
        assert (await waiting)["status"] == "completed"
        return await speaking

    with steps(1) as gate:
        assert asyncio.run(asyncio.wait_for(three_jobs(gate), PATIENCE))["status"] == "completed"
        assert gate.steps == 2
    assert fresh_worker.left_behind() == []


def test_every_inference_runs_on_the_one_thread_that_owns_the_model(fresh_worker: FreshWorker) -> None:
    fresh_worker.speaks()
    by_thread: list[int] = []

    async def together() -> list[dict[str, Any]]:
        return await asyncio.gather(*(handler.handler(job({**QUICK, "nfe_step": 8}, f"job-{n}")) for n in range(4)))

    with hooked(lambda *_: by_thread.append(threading.get_ident())):
        answers = asyncio.run(together())
    assert [answer["status"] for answer in answers] == ["completed"] * 4
    assert len(by_thread) == 32
    assert len(set(by_thread)) == 1


# Errors become answers


class OddError(Exception):
    """Stands for whatever a library may raise."""


@pytest.mark.parametrize(
    ("raised", "error_type", "message", "refresh"),
    [
        (lambda _: OddError("/srv/keys hunter2"), "WorkerError", r"failed unexpectedly \(OddError\); send the job again", None),
        (lambda torch: torch.OutOfMemoryError("CUDA out of memory /srv/keys hunter2"), "SynthesisError", "larger|8 GB", None),
        (
            lambda torch: torch.AcceleratorError("CUDA error: an illegal memory access /srv/keys hunter2"),
            "CudaBrokenError",
            "send the job again",
            True,
        ),
        (lambda _: MemoryError("/srv/keys hunter2"), "WorkerError", r"failed unexpectedly \(MemoryError\)", None),
    ],
    ids=["unknown", "gpu memory", "gpu broken", "memory"],
)
def test_whatever_is_raised_in_mid_work_is_one_answer_without_its_text(
    fresh_worker: FreshWorker, raised: Callable[[Any], Exception], error_type: str, message: str, refresh: bool | None
) -> None:
    fresh_worker.speaks()
    fresh_worker.private |= {"/srv/keys", "hunter2"}

    def fail(*_: Any) -> None:
        raise raised(load_engine().torch)

    with hooked(fail):
        answer = fresh_worker.ask(QUICK)
    assert (answer["error_type"], answer.get("refresh_worker")) == (error_type, refresh)
    assert re.search(message, answer["error"])
    fresh_worker.speaks()
    assert fresh_worker.health()["jobs"] == {"completed": 2, "failed": 1, "stopped": 0}


def test_sound_that_is_not_a_number_is_an_error(fresh_worker: FreshWorker) -> None:
    fresh_worker.speaks()
    assert handler.f5tts_model is not None
    handle = handler.f5tts_model.cfm.transformer.register_forward_hook(lambda _module, _inputs, flow: flow * float("nan"))
    answer = fresh_worker.ask(QUICK)
    handle.remove()
    assert answer["error_type"] == "SynthesisError"
    assert "no valid sound" in answer["error"]
    fresh_worker.speaks()


@pytest.mark.parametrize("raw", [None, "text", 7, [], {}, {"text": None}, {"endpoint": ["tts"]}], ids=repr)
def test_an_input_of_any_shape_gets_an_answer(fresh_worker: FreshWorker, raw: object) -> None:
    answer = fresh_worker.ask(raw)
    assert answer["error_type"] == "InputError"
    assert answer["field"] in ("input", "text", "endpoint")


def test_half_a_character_anywhere_in_a_job_can_still_be_answered(fresh_worker: FreshWorker) -> None:
    half = "\ud83d"
    for job_input in (
        {"text": f"Hello {half}"},
        {"text": "Hello.", half: 1},
        {"text": "Hello.", "local_voice": half},
        {"text": "Hello.", "output_format": half},
        {"endpoint": half},
        {"endpoint": "upload", "voice_name": f"{half}.wav", "voice_base64": half},
    ):
        assert fresh_worker.ask(job_input)["error_type"] == "InputError"


# The function that users of the old system know


def test_generate_tts_audio_gives_a_file_that_belongs_to_the_caller(fresh_worker: FreshWorker) -> None:
    clip = fresh_worker.folder / "anna.wav"
    clip.write_bytes(sound_file(voice(4)))
    path, duration, error = handler.generate_tts_audio(
        "Hello there.", str(clip), 1.5, 42, ref_text="Some words of hers.", nfe_step=2, output_format="flac"
    )
    assert error is None
    assert path is not None
    with soundfile.SoundFile(path) as file:
        assert (file.format, file.samplerate, file.frames / file.samplerate) == ("FLAC", 24_000, pytest.approx(duration))
    first = Path(path).read_bytes()
    again, _, _ = handler.generate_tts_audio(
        "Hello there.", str(clip), 1.5, 42, ref_text="Some words of hers.", nfe_step=2, output_format="flac"
    )
    assert again is not None
    assert again != path
    assert Path(again).read_bytes() == first
    for file_path in (path, again):
        Path(file_path).unlink()
        Path(file_path).parent.rmdir()
    assert fresh_worker.left_behind() == []


def test_generate_tts_audio_needs_only_a_text(fresh_worker: FreshWorker) -> None:
    path, duration, error = handler.generate_tts_audio("Hello.")
    assert (error, duration > 0.3) == (None, True)
    assert soundfile.info(path).duration == pytest.approx(duration)
    assert fresh_worker.left_behind() != []


def test_generate_tts_audio_knows_the_endpoints_bucket(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    fresh_worker.use_s3(s3_config)
    stored = sound_file(voice(3))
    fresh_worker.ask(
        {"endpoint": "upload", "voice_name": "anna.wav", "voice_base64": base64_of(stored), "ref_text": "Some words."}
    )
    path, _, error = handler.generate_tts_audio("Hello.", local_voice="anna.wav", nfe_step=1)
    assert (error, path is None) == (None, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "  "}, "text is empty"),
        ({"speed": 9.0}, "speed=9.0 is out of range"),
        ({"seed": -2}, "seed=-2 is out of range"),
        ({"voice_path": "nobody.wav"}, r"voice_path cannot be read \(No such file or directory\)"),
        ({"voice_path": "."}, r"voice_path cannot be read \(Is a directory\)"),
        ({"voice_path": "silent.wav"}, "silent"),
        ({"nfe_steps": 3}, "did you mean nfe_step"),
        ({"output_format": "m4a"}, "output_format"),
        ({"fix_duration": 2.0}, "fix_duration"),
        ({"endpoint": "health"}, "endpoint"),
    ],
    ids=str,
)
def test_generate_tts_audio_returns_what_is_wrong(fresh_worker: FreshWorker, arguments: dict[str, Any], message: str) -> None:
    (fresh_worker.folder / "silent.wav").write_bytes(sound_file(silence(3)))
    path, duration, error = handler.generate_tts_audio(**{"text": "Hello.", **arguments})
    assert (path, duration) == (None, 0.0)
    assert re.search(message, error or "")
    assert str(fresh_worker.folder) not in (error or "")
    assert fresh_worker.left_behind() == []


# What others send


def test_the_consoles_own_first_request_is_spoken_with_a_warning_that_names_text(fresh_worker: FreshWorker) -> None:
    answer = fresh_worker.ask({"prompt": "Hello World"})
    assert (answer["status"], answer["text"]) == ("completed", "Hello World")
    assert "prompt was taken as text; send what is to be spoken as text." in answer["warnings"]


def test_a_form_that_sends_strings_and_null_speaks_at_the_rate_that_it_asks_for(fresh_worker: FreshWorker) -> None:
    form = {"text": "Hello.", "nfe_step": "1", "seed": "3", "speed": None, "output_format": "PCM", "sample_rate": "16000"}
    answer = fresh_worker.ask(form)
    spoken = sound(answer)
    assert (answer["seed"], answer["sample_rate"], answer["content_type"]) == (3, 16_000, "audio/pcm")
    assert spoken.duration == pytest.approx(answer["duration"], abs=1e-4)
    same = sound(fresh_worker.ask({"text": "Hello.", "nfe_step": 1, "seed": 3, "sample_rate": 16_000}))
    assert (same.samples == spoken.samples).all()


# Reports


def test_health_tells_versions_device_volume_and_storage(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    fresh_worker.use_s3(s3_config)
    fresh_worker.restart(NETWORK_VOLUME=fresh_worker.folder)
    health = fresh_worker.health()
    assert health["status"] == "healthy"
    assert health["model"] == {"loaded": False, "name": "smoke"}
    assert health["versions"]["runpod"] == "1.12.0"
    assert health["versions"]["torch"]
    assert health["s3"] == {"configured": True, "bucket": s3_config.bucket, "reachable": True}
    assert health["volume"]["mounted"]
    assert health["volume"]["writable"]
    assert health["disk"]["free"] > 0
    assert health["memory"]["available"] > 0
    assert health["uptime"] >= 0


def test_the_smoke_model_is_the_real_architecture(fresh_worker: FreshWorker) -> None:
    fresh_worker.speaks()
    assert handler.f5tts_model is not None
    assert type(handler.f5tts_model.cfm.transformer) is load_engine().backbones[SMOKE_CONFIG["model"]["backbone"]]
    assert "smoke" in fresh_worker.speaks()["warnings"][0]


def test_a_background_load_that_fails_is_as_a_lazy_one(fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh_worker.restart(F5TTS_MODEL="F5TTS_v9_Huge", MODEL_LOADING="background")
    loads, started = Loads(monkeypatch), list[dict[str, Any]]()
    monkeypatch.setattr("runpod.serverless.start", started.append)
    handler.main()
    for thread in threading.enumerate():
        if thread.name == "model-loading":
            thread.join(PATIENCE)
    assert [config["handler"] for config in started] == [handler.handler]
    answer = fresh_worker.ask(QUICK)
    assert answer["error"].startswith("Model not available: F5TTS_MODEL='F5TTS_v9_Huge'")
    assert answer["error"] == handler.model_load_error
    assert loads.count == 1
