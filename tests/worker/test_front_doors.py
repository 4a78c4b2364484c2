"""The worker as its users meet it: a local job, the SDK's local API, and the real job loop, each in a process of its own."""

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import runpod

import s3_utils
from f5_worker.s3_config import S3Config
from tests import REPOSITORY, wait_until
from tests.support.bare_python import handler_with
from tests.support.fresh_worker import LONG_TEXT, QUICK, base64_of, said_in, sound
from tests.support.job_api import JobApi
from tests.support.processes import ServedApi, WorkerProcess, clean_environment, run_once, temporary_files
from tests.support.s3_server import S3Server, s3_environment
from tests.support.sounds import HTML_PAGE, sound_file, voice

SMOKE = {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
SPEECH: dict[str, Any] = {"text": "Four score and seven years ago.", "seed": 7, "nfe_step": 2}
LONG_SPEECH: dict[str, Any] = {"text": LONG_TEXT, "seed": 7, "nfe_step": 2}
ENDLESS = {"text": "word " * 3_999, "nfe_step": 64}  # minutes of work
FORMATS = {"wav": "WAV/PCM_16", "flac": "FLAC/PCM_16", "mp3": "MP3/MPEG_LAYER_III", "ogg": "OGG/OPUS"}
FORMATS |= {name: f"RAW/{name}" for name in ("pcm", "ulaw", "alaw")}


# One local job


def test_the_readmes_first_job_speaks_and_leaves_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "test_input.json", tmp_path)
    run = run_once(None, env=environment | SMOKE, cwd=tmp_path)
    assert (run.error, run.exit_code) == (None, 0)
    answer = run.result["output"]
    assert answer["status"] == "completed"
    assert answer["audio_path"] == f"output/{answer['job_id']}.wav"
    assert str(uuid.UUID(answer["job_id"])) == answer["job_id"]
    assert [path.name for path in (tmp_path / "output").iterdir()] == [f"{answer['job_id']}.wav"]
    spoken = sound(answer, tmp_path)
    assert (spoken.rate, spoken.container) == (answer["sample_rate"], "WAV/PCM_16") == (24_000, "WAV/PCM_16")
    assert spoken.duration == pytest.approx(answer["duration"], abs=1e-6)
    assert answer["reference"]["voice"] == "built-in"
    assert "noise" in answer["warnings"][0]
    assert said_in(run.log, str(tmp_path)) == []
    assert temporary_files(environment) == []


def test_a_bad_local_job_exits_1_with_its_error_in_the_log(environment: dict[str, str], tmp_path: Path) -> None:
    run = run_once({"input": {**SPEECH, "sped": 2}}, env=environment | SMOKE, cwd=tmp_path)
    assert run.exit_code == 1
    assert "sped=2 is not a field of tts; did you mean speed?" in (run.error or "")
    assert said_in(run.log, str(tmp_path), SPEECH["text"]) == []
    assert temporary_files(environment) == []


# The local API


def test_the_local_api_speaks_every_format_and_the_same_as_another_process(environment: dict[str, str], tmp_path: Path) -> None:
    with ServedApi(env=environment | SMOKE, cwd=tmp_path) as served:
        for name, container in FORMATS.items():
            answer = served.runsync({**SPEECH, "output_format": name.upper()})["output"]
            spoken = sound(answer, tmp_path)
            assert (spoken.container, spoken.rate) == (container, 8_000 if name in ("ulaw", "alaw") else 24_000)
            assert answer["audio_path"].endswith(f".{name}")
            # Lossy formats are whole frames: mp3 has 576 samples in each, and its decoder adds one
            assert spoken.duration == pytest.approx(answer["duration"], abs=0.08 if name == "mp3" else 1e-4)

        assert isinstance(served.endpoint, runpod.Endpoint)
        by_client = served.endpoint.run_sync({"input": LONG_SPEECH})
        assert [chunk["text"] for chunk in by_client["chunks"]] != []
        handed_in = served.run(LONG_SPEECH)
        later = served.status(handed_in)
        assert later["status"] == "COMPLETED"
        assert sound(later["output"], tmp_path).data == sound(by_client, tmp_path).data

        failed = served.runsync({"text": " "})
        assert failed["status"] == "FAILED"
        assert failed["error"].startswith("text is empty")
        assert served.endpoint.run_sync({"input": {"text": " "}}) is None
        assert served.runsync({"endpoint": "health"})["output"]["jobs"] == {
            "completed": len(FORMATS) + 2,
            "failed": 2,
            "stopped": 0,
        }
        assert said_in(served.log, str(tmp_path), SPEECH["text"], LONG_TEXT) == []

    run = run_once({"input": LONG_SPEECH}, env=environment | SMOKE, cwd=tmp_path)
    assert (run.error, run.exit_code) == (None, 0)
    written = sorted((tmp_path / "output").glob("*.wav"), key=lambda path: path.stat().st_mtime)
    assert len(by_client["chunks"]) > 2
    assert written[-1].read_bytes() == sound(by_client, tmp_path).data
    assert temporary_files(environment) == []


# The job loop


@dataclass(frozen=True)
class Endpoint:
    """A worker in the job loop with a bucket, the smoke model and a tiny Whisper."""

    worker: WorkerProcess
    s3: S3Config
    environment: dict[str, str]

    def ask(self, job_input: object, **top_level: object) -> dict[str, Any]:
        """The posted result of a job; no file of it is left."""
        result = self.worker.result(self.worker.api.submit(job_input, **top_level))
        assert temporary_files(self.environment) == []
        return result


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, tiny_whisper: Path) -> Iterator[Endpoint]:
    """One worker for all tests that leave it as it was; at the end, what it said is checked, and that it goes when told."""
    folder = tmp_path_factory.mktemp("endpoint")
    s3 = s3_server.config(prefix=f"front-doors-{uuid.uuid4().hex}")
    environment = clean_environment(
        folder,
        **SMOKE,
        **s3_environment(s3),
        ASR_MODEL=str(tiny_whisper),
        TORCHINDUCTOR_CACHE_DIR=str(folder / "torch"),  # transformers' import makes it, in TMPDIR if not told
        RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true",
    )
    with JobApi() as api, WorkerProcess(api, env=environment, cwd=folder) as worker:
        worker.ready()
        assert "Models load on the first request; the worker is ready for jobs" in worker.log
        yield Endpoint(worker, s3, environment)
        private = (
            str(s3.secret_access_key),
            str(s3.access_key_id),
            SPEECH["text"],
            "word word",
            str(folder),
            HTML_PAGE.decode(),
        )
        assert said_in(worker.log, *private) == []
        worker.sigterm()
        assert worker.wait() == 0


def test_an_old_clients_day(endpoint: Endpoint) -> None:
    """Exactly what clients of the earlier system send, one endpoint after another."""
    s3_utils.put_bytes(endpoint.s3, "clip.wav", sound_file(voice(4, rate=44_100), rate=44_100), "audio/wav")
    upload = endpoint.ask(
        {"endpoint": "upload", "voice_name": "anna.wav", "voice_file_url": s3_utils.presign(endpoint.s3, "clip.wav")}
    )["output"]
    assert (upload["status"], upload["message"]) == ("success", "Voice anna.wav is stored.")

    voices = endpoint.ask({"endpoint": "list_voices"})["output"]
    assert (voices["status"], voices["count"], voices["voices"][0]["name"]) == ("success", 1, "anna.wav")
    assert {"name", "size", "last_modified"} <= voices["voices"][0].keys()

    answer = endpoint.ask(
        {
            "text": SPEECH["text"],
            "local_voice": "anna.wav",
            "speed": 1,
            "seed": 42,
            "return_word_timings": False,
            "timing_format": "srt",
            "timing_method": "whisperx",
        }
    )["output"]
    assert (answer["status"], answer["text"], answer["seed"]) == ("completed", SPEECH["text"], 42)
    assert answer["reference"]["voice"] == "anna.wav"
    assert len(answer["reference"]["ref_text"].split()) > 3  # Whisper heard it
    spoken = sound(answer)
    assert spoken.duration == pytest.approx(answer["duration"], abs=1e-6)

    fetched = endpoint.ask({"endpoint": "download", "job_id": answer["job_id"], "type": "audio"})["output"]
    assert (fetched["status"], fetched["content_type"], fetched["format"]) == ("ready", "audio/wav", "wav")
    inline = {"audio_base64": fetched["audio_data"], "size": answer["size"]}
    assert sound({**answer, **fetched}).data == sound(inline).data == spoken.data
    timing = endpoint.ask({"endpoint": "download", "job_id": answer["job_id"], "type": "timing", "format": "srt"})
    assert timing["output"]["error_type"] == "NotFoundError"

    assert endpoint.ask({"endpoint": "status"})["output"]["status"] == "healthy"
    deleted = endpoint.ask({"endpoint": "delete_voice", "voice_name": "anna.wav"})["output"]
    assert deleted == {"status": "success", "name": "anna.wav"}
    assert endpoint.ask({"endpoint": "list_voices"})["output"]["count"] == 0


@pytest.mark.parametrize(
    ("job_input", "error_type", "field"),
    [
        ({**SPEECH, "sped": 2}, "InputError", "sped"),
        ({**SPEECH, "text": "half a \ud83d"}, "InputError", "text"),
        ({**SPEECH, "ref_audio_base64": base64_of(HTML_PAGE)}, "ReferenceClipError", "ref_audio_base64"),
        ({"endpoint": "delete_voice", "voice_name": "nobody.wav"}, "NotFoundError", "voice_name"),
    ],
    ids=["field", "unicode", "clip", "voice"],
)
def test_a_failed_job_is_posted_with_its_type_and_field(
    endpoint: Endpoint, job_input: dict[str, Any], error_type: str, field: str
) -> None:
    result = endpoint.ask(job_input)
    assert result["output"]["error_type"] == error_type
    assert result["output"]["field"] == field
    assert result["error"]
    assert result.keys() == {"error", "output"}


def test_a_stopped_job_ends_its_work_and_the_next_one_is_done(endpoint: Endpoint) -> None:
    assert endpoint.ask(SPEECH)["output"]["status"] == "completed"
    api = endpoint.worker.api
    job_id = api.submit(ENDLESS)
    wait_until_it_speaks(endpoint.environment)
    api.stop(job_id)
    endpoint.worker.wait_for_log(f'{job_id}", "message": "The job was stopped; its work has ended"')
    wait_until_nothing_is_left(endpoint.environment)
    assert endpoint.ask(SPEECH)["output"]["status"] == "completed"
    assert api.attempts(job_id) == []


def test_sigterm_in_mid_job_posts_the_speech_and_exits_0(job_api: JobApi, environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {**SMOKE, "MODEL_LOADING": "background"}
    with WorkerProcess(job_api, env=environment, cwd=tmp_path) as worker:
        worker.wait_for_log("Model smoke loaded on cpu")  # without any job, as that setting wants it
        job_id = job_api.submit({**LONG_SPEECH, "nfe_step": 6})
        wait_until_it_speaks(environment)
        worker.sigterm()
        answer = worker.result(job_id)["output"]
        assert sound(answer).duration == pytest.approx(answer["duration"], abs=1e-6)
        assert worker.wait() == 0
        assert said_in(worker.log, str(tmp_path), LONG_TEXT) == []
    assert temporary_files(environment) == []


def wait_until_it_speaks(environment: dict[str, str]) -> None:
    """A job's folder is made when its reference is there and its speech begins."""
    wait_until(lambda: any(name.startswith("f5-tts-") for name in temporary_files(environment)))


def wait_until_nothing_is_left(environment: dict[str, str]) -> None:
    """The folder goes just before the log line that says so, in another thread."""
    wait_until(lambda: not temporary_files(environment))


# A worker that cannot speak


def test_a_python_with_nothing_but_the_sdk_answers_every_job(
    job_api: JobApi, environment: dict[str, str], tmp_path: Path
) -> None:
    environment["RUNPOD_MIN_MEMORY_GB"] = "1000000"  # the SDK's own check would end the worker here
    command = handler_with(tmp_path / "packages", "runpod")
    with WorkerProcess(job_api, env=environment, cwd=tmp_path, command=command) as worker:
        worker.ready()
        health = worker.result(job_api.submit({"endpoint": "health"}))["output"]
        assert health["versions"]["runpod"]
        assert health["versions"]["torch"] is None
        assert not health["model"]["loaded"]
        speech = worker.result(job_api.submit(QUICK))
        assert speech["output"]["error_type"] == "PackageMissingError"
        assert "The Python package numpy is not installed. Start the worker through start.sh" in speech["error"]
        listed = worker.result(job_api.submit({"endpoint": "list_voices"}))
        assert listed["output"]["error_type"] == "StorageNotConfiguredError"
        worker.sigterm()
        assert worker.wait() == 0
        assert said_in(worker.log, str(tmp_path)) == []


@pytest.mark.parametrize(
    ("job_input", "package"),
    [
        ({"endpoint": "list_voices"}, "boto3"),
        ({"endpoint": "upload", "voice_name": "a.wav", "voice_base64": "UklGRg=="}, "numpy"),
        ({**QUICK, "local_voice": "anna.wav"}, "numpy"),
    ],
    ids=["list_voices", "upload", "tts"],
)
def test_not_even_boto3_is_needed_to_say_what_is_missing(
    environment: dict[str, str], tmp_path: Path, job_input: dict[str, Any], package: str
) -> None:
    environment |= {"S3_BUCKET": "mine", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    command = handler_with(tmp_path / "packages", "runpod", but=("boto3", "botocore", "s3transfer"))
    run = run_once({"input": job_input}, env=environment, cwd=tmp_path, command=command)
    assert run.exit_code == 1
    assert f"Python package {package}" in (run.error or "")


def test_settings_that_cannot_work_do_not_keep_it_from_starting(
    job_api: JobApi, environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {**SMOKE, "F5TTS_DEVICE": "tpu", "RUNPOD_LOG_LEVEL": "loud", "S3_TIMEOUT": "never", "MODEL_LOADING": "eager"}
    with WorkerProcess(job_api, env=environment, cwd=tmp_path) as worker:
        worker.ready()
        health = worker.result(job_api.submit({"endpoint": "health"}))["output"]
        assert health["status"] == "degraded"
        problems = " ".join(health["settings"]["problems"])
        result = worker.result(job_api.submit(QUICK))
        assert result["output"]["error_type"] == "SettingsError"
        for name in ("F5TTS_DEVICE", "S3_TIMEOUT", "MODEL_LOADING"):
            assert name in problems
            assert name in result["error"]
        assert "RUNPOD_LOG_LEVEL" in problems
        worker.sigterm()
        assert worker.wait() == 0
