"""Real answers are as ``schema.json`` says, with no field that it does not name."""

import asyncio
import json
import time
from typing import Any

import pytest

import handler
from f5_worker.job import answer as job_answer
from f5_worker.job.schema import PATH
from f5_worker.s3_config import S3Config
from tests.support.fresh_worker import QUICK, FreshWorker, base64_of
from tests.support.json_schema import conforms
from tests.support.sounds import sound_file, voice

ANSWERS: dict[str, dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["$defs"]["answers"]


def streamed(job: dict[str, Any]) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        return [part async for part in handler.stream_handler(job)]

    return asyncio.run(run())


def check(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    assert conforms(answer, ANSWERS[name], ANSWERS), (name, answer)
    return answer


def test_answers_are_as_the_schema_says(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    def ask(name: str, **fields: Any) -> dict[str, Any]:
        answer = check(name, fresh_worker.ask({"endpoint": name, **fields}))
        assert answer.keys() <= ANSWERS[name]["properties"].keys(), name
        return answer

    clip = base64_of(sound_file(voice(3)))
    ask("tts", **QUICK)
    check("error", fresh_worker.ask({"text": "Hello.", "sped": 2}))
    fresh_worker.use_s3(s3_config)
    ask("health")
    ask("upload", voice_name="anna.wav", voice_base64=clip, ref_text="Some call me nature.")
    ask("upload", voice_name="bob.wav", voice_base64=clip)
    assert ask("list_voices")["count"] == 2
    voices = {"wolf": {"local_voice": "anna.wav"}}
    spoken = ask("tts", **{**QUICK, "text": "Hello. [wolf] Who is 5?\n\nHello."}, voices=voices, return_word_timings=True)
    for kind in ("audio", "timing"):
        ask("download", job_id=spoken["job_id"], type=kind)
    ask("delete_voice", voice_name="bob.wav")
    check("error", fresh_worker.ask({"endpoint": "delete_voice", "voice_name": "bob.wav"}))


@pytest.mark.parametrize("kind", ["speech", "stream", "items"])
def test_an_answer_says_how_long_each_stage_took(fresh_worker: FreshWorker, s3_config: S3Config, kind: str) -> None:
    """All of them: what is measured after the answer is begun would be 0."""
    fresh_worker.restart(STREAMING=str(kind == "stream").lower())
    fresh_worker.use_s3(s3_config)
    text: dict[str, Any] = {"items": [{"text": "Hello."}, {"text": "Bye."}]} if kind == "items" else {"text": "Hello."}
    job = {**text, "nfe_step": 1, "ref_audio_base64": base64_of(sound_file(voice(3))), "ref_text": "Some call me nature."}
    began = time.perf_counter()
    answer = streamed({"input": job})[-1] if kind == "stream" else fresh_worker.ask(job)
    took = time.perf_counter() - began
    answers = answer.get("items", [answer])
    assert [each.get("error") for each in answers] == [None] * len(answers)
    for each in answers:
        stages = {**each["timings"]}
        factor = stages.pop("real_time_factor")
        assert stages.keys() == {"model_load", "reference", "synthesis", "encode", "upload"}
        assert factor == pytest.approx(stages["synthesis"] / each["duration"], abs=2e-4)
    own = [sum(each["timings"][name] for each in answers) for name in ("reference", "synthesis", "encode", "upload")]
    assert min(own) > 0
    assert answer["timings"]["model_load"] > 0
    if kind != "items":
        assert sum(own) + answer["timings"]["model_load"] <= took


@pytest.mark.parametrize("items", [False, True])
def test_what_fits_beside_the_words_is_known_before_it_is_sent(
    fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch, items: bool
) -> None:
    fresh_worker.restart(RUNPOD_ENDPOINT_ID="endpoint")
    text = " ".join(f"Word number {number} and more." for number in range(4))
    asked = {**QUICK, "text": text, "speed": 2, "return_word_timings": True, "timing_format": "all"}
    sent: dict[str, Any] = {"items": [asked] * 2} if items else asked
    free = fresh_worker.ask(sent)
    size = len(json.dumps(free, ensure_ascii=False).encode())
    for less in (300, 6_000)[: 1 if items else 2]:
        monkeypatch.setattr(job_answer, "MAX_ANSWER_BYTES", size - less)
        answer = fresh_worker.ask(sent, id=f"job-{less}")  # no job that was made before
        assert "error" not in answer, answer["error"]
        assert len(json.dumps(answer, ensure_ascii=False).encode()) <= size - less
        for each in answer["items"] if items else [answer]:
            assert (each["status"], "audio_base64" in each, len(each["words"])) == ("completed", True, 20)


def test_ten_thousand_voices_are_answered_in_pages(fresh_worker: FreshWorker) -> None:
    folder = fresh_worker.folder / "volume" / "voices"
    folder.mkdir(parents=True)
    fresh_worker.restart(NETWORK_VOLUME=folder.parent)
    names = [f"{number:05}{'x' * 150}.wav" for number in range(10_000)]
    sidecar = {"ref_text": "é" * 900, "duration": 1.5, "audio_sha256": "", "audio_size": 1}
    for name in names:
        (folder / name).write_bytes(b"R")
    for name in names[:6_000]:
        (folder / f"{name}.json").write_text(json.dumps(sidecar, ensure_ascii=False))
    found: list[str] = []
    while True:
        start = {"start_after": found[-1]} if found else {}
        answer = check("list_voices", fresh_worker.ask({"endpoint": "list_voices", **start}))
        assert len(json.dumps(answer, ensure_ascii=False).encode()) <= 9_000_000
        found += [each["name"] for each in answer["voices"]]
        if "more" not in answer:
            break
        assert answer["next_start_after"] == found[-1]
    assert found == names
    two = fresh_worker.ask({"endpoint": "list_voices", "limit": 2, "start_after": names[-4]})
    assert ([each["name"] for each in two["voices"]], two["count"], two["more"]) == (names[-3:-1], 2, True)
    for wrong in ({"limit": 0}, {"limit": 1_001}, {"start_after": "a/b.wav"}):
        assert fresh_worker.ask({"endpoint": "list_voices", **wrong})["field"] in wrong
