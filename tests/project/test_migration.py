"""docs/migration.md: each row's request is sent as it stands there, and answered as it says."""

import ast
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import handler
import s3_utils
from f5_worker.s3_config import S3Config
from f5_worker.settings import load_settings
from tests import REPOSITORY
from tests.support.fresh_worker import FreshWorker, base64_of
from tests.support.sounds import sound_file, voice

PAGE = (REPOSITORY / "docs" / "migration.md").read_text(encoding="utf-8")


def rows(heading: str) -> Iterator[list[list[str]]]:
    """What stands in backticks in each cell but the last, of each row."""
    table = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for line in table.splitlines():
        if line.startswith("| `"):
            yield [re.findall(r"`([^`]+)`", cell) for cell in line.strip("| ").split(" | ")[:-1]]


def test_each_request_is_answered_as_the_page_says(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    fresh_worker.set(RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true")  # the clip's server is here
    fresh_worker.use_s3(s3_config)
    clip, words = sound_file(voice(3)), "Some call me nature."
    fresh_worker.ask({"endpoint": "upload", "voice_name": "anna.wav", "voice_base64": base64_of(clip), "ref_text": words})
    s3_utils.put_bytes(s3_config, "voices/clip.wav", clip, "audio/wav")
    known = {"CLIP_URL": s3_utils.presign(s3_config, "voices/clip.wav"), "JOB_ID": ""}
    requests = list(rows("Requests"))
    assert len(requests) >= 15
    for (request,), fields in requests:
        for name, value in known.items():
            request = request.replace(name, value)
        job = json.loads(request)
        if job.get("local_voice", "").startswith("http"):
            job["ref_text"] = words  # no Whisper here
        answer = fresh_worker.ask({**job, "nfe_step": 1} if "text" in job else job)
        assert set(fields) <= answer.keys(), (request, answer)
        assert ("error" in fields) == ("error" in answer), answer
        if "timing_files" in answer:
            known["JOB_ID"] = answer["job_id"]


def test_each_setting_is_read_as_the_page_says() -> None:
    settings = [(*variable[0].split("=", 1), attribute[0]) for variable, attribute in rows("Settings")]
    read = load_settings({name: value for name, value, _ in settings})
    assert {attribute: attrgetter(attribute)(read) for _, _, attribute in settings} == {
        attribute: value for _, value, attribute in settings
    }


def test_programs_find_what_the_page_names(fresh_worker: FreshWorker) -> None:
    fresh_worker.restart(F5TTS_MODEL="smoke")
    named = [cells[0][0] for cells in rows("In Python")]
    assert [name.partition("(")[0] for name in named] == [
        "f5tts_model",
        "model_load_error",
        "initialize_models",
        "generate_tts_audio",
        "handler",
    ]
    assert (handler.f5tts_model, handler.model_load_error) == (None, None)
    call = ast.parse(named[3], mode="eval").body
    assert isinstance(call, ast.Call)
    path, duration, error = handler.generate_tts_audio(*map(ast.literal_eval, call.args), nfe_step=1)
    assert path is not None
    assert (Path(path).suffix, duration > 0, error) == (".wav", True, None)
    shutil.rmtree(Path(path).parent)
    assert handler.initialize_models() is True
    assert handler.f5tts_model is not None
    assert inspect.iscoroutinefunction(handler.handler)


def test_files_lie_where_the_page_says(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    fresh_worker.use_s3(s3_config)
    s3_utils.put_bytes(s3_config, "voices/anna.wav", sound_file(voice(3)), "audio/wav")
    job = {"text": "Hello.", "nfe_step": 1, "local_voice": "anna.wav", "ref_text": "Some call me nature."}
    answer = fresh_worker.ask({**job, "return_word_timings": True})
    keys = {info.key for prefix in ("voices/", "output/", "timings/") for info in s3_utils.list_objects(s3_config, prefix)}
    assert keys == {cells[0][0].replace("JOB_ID", answer["job_id"]) for cells in rows("Stored files")}
