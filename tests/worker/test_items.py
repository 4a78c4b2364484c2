"""Several texts in one job, and OpenAI's shape of one, through the handler."""

import shutil
import uuid
from typing import Any

import numpy as np
import pytest

import handler
from f5_worker.errors import SynthesisError
from f5_worker.s3_config import S3Config
from f5_worker.speech import join, sampler, synthesis
from tests.support.fresh_worker import LONG_TEXT, FreshWorker, base64_of, sound
from tests.support.judge import Judge, compare, total
from tests.support.sounds import sound_file, voice

ANNA = {"ref_audio_base64": base64_of(sound_file(voice(3))), "ref_text": "Nine words of hers that nobody else may hear."}
SHARED: dict[str, Any] = {"nfe_step": 1, "seed": 3}
ITEMS: list[dict[str, Any]] = [
    {"id": "first", "text": LONG_TEXT},
    {"id": "bad", "text": "Hello.", "speed": 99},
    {"text": "She speaks.", **ANNA, "seed": 5},
    {"text": "No such voice.", "local_voice": "nobody.wav"},
    {"text": "Better.", "nfe_step": 2, "output_format": "flac"},
    {"text": "Louder.", "target_rms": 0.2, "speed": 2},
    {"text": "[Anna] I am Anna. [pause:1s] [main] I am not.", "voices": {"Anna": ANNA}},
    {"text": "Too short a duration.", "fix_duration": 1},
]
BAD = {"bad": "InputError", 3: "StorageNotConfiguredError", 7: "InputError"}
OF_ONE_RUN = {"job_id", "audio_path", "audio_url", "timings"}


def test_each_item_has_what_it_would_be_answered_alone(fresh_worker: FreshWorker) -> None:
    answer = fresh_worker.ask({**SHARED, "items": ITEMS})
    assert [item["id"] for item in answer["items"]] == ["first", "bad", 2, 3, 4, 5, 6, 7]
    assert {item["id"]: item["error_type"] for item in answer["items"] if "error" in item} == BAD
    assert (answer["completed"], answer["failed"], answer["status"]) == (5, 3, "completed")
    ids = [each["job_id"] for each in (answer, *answer["items"]) if "error" not in each]
    assert len({uuid.UUID(each) for each in ids}) == len(ids) == 6
    for sent, together in zip(ITEMS, answer["items"], strict=True):
        alone = fresh_worker.ask({**SHARED, **{name: value for name, value in sent.items() if name != "id"}})
        said = {"warnings": [warning for warning in alone.get("warnings", ()) if warning not in answer["warnings"]]}
        same = alone.keys() - OF_ONE_RUN
        assert {name: together[name] for name in same} == {name: (alone | said)[name] for name in same}
        if "error" not in alone:
            assert sound(together).data == sound(alone).data


def test_only_bad_items_load_no_model(fresh_worker: FreshWorker) -> None:
    answer = fresh_worker.ask({"items": [{"text": " "}, {"text": "Hi.", "sped": 2}]})
    assert (answer["completed"], answer["failed"]) == (0, 2)
    assert handler.f5tts_model is None


def test_items_for_which_the_model_fails_fail_alone(fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    real = synthesis._wave

    def wave(model: Any, utterance: Any, mel: Any) -> Any:
        if utterance.seed in (21, 24):
            raise SynthesisError(join.NO_SOUND)
        return real(model, utterance, mel)

    monkeypatch.setattr(synthesis, "_wave", wave)
    answer = fresh_worker.ask({"nfe_step": 1, "items": [{"text": "Hello.", "seed": 20 + n} for n in range(7)]})
    assert [item.get("error_type") for item in answer["items"]] == ["SynthesisError" if n in (1, 4) else None for n in range(7)]
    assert [item["seed"] for item in answer["items"] if "seed" in item] == [20, 22, 23, 25, 26]


def test_items_share_batches(fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "_batch_frames", lambda _model: 4_000)
    sizes: list[int] = []
    real = sampler.sample_mels

    def sample_mels(engine: Any, transformer: Any, utterances: Any, *rest: Any) -> Any:
        sizes.append(len(utterances))
        return real(engine, transformer, utterances, *rest)

    monkeypatch.setattr(synthesis, "sample_mels", sample_mels)
    items = [
        {"text": "Hello."},
        {"text": "She speaks.", **ANNA},
        {"text": "Hello again."},
        {"text": "Two steps.", "nfe_step": 2},
    ]
    batched = fresh_worker.ask({**SHARED, "items": items})
    assert sizes == [3, 1]
    monkeypatch.setattr(synthesis, "_batch_frames", lambda _model: 0)
    single = fresh_worker.ask({**SHARED, "items": items})
    for one, other in zip(batched["items"], single["items"], strict=True):
        np.testing.assert_allclose(sound(one).samples, sound(other).samples, atol=2e-4)


def test_items_share_the_room_of_the_answer(fresh_worker: FreshWorker) -> None:
    fresh_worker.restart(RUNPOD_ENDPOINT_ID="endpoint", MAX_INLINE_BYTES=200_000)
    words = [{"text": "These are some words to speak."}] * 8
    answer = fresh_worker.ask({**SHARED, "items": words})
    assert [item["output_format"] for item in answer["items"]] == ["ogg"] * 8
    assert sum(item["size"] for item in answer["items"]) <= 200_000
    assert all(sound(item).duration == pytest.approx(item["duration"], abs=0.05) for item in answer["items"])
    few = fresh_worker.ask({**SHARED, "items": words[:1]})
    assert few["items"][0]["output_format"] == "wav"
    many = fresh_worker.ask({**SHARED, "items": words * 12})
    assert (many["completed"] > 40, many["failed"] > 10) == (True, True)
    assert "All items of a job count together." in many["items"][-1]["error"]


def test_all_items_together_stay_within_the_minutes_allowed(fresh_worker: FreshWorker) -> None:
    fresh_worker.restart(MAX_AUDIO_MINUTES=0.1)
    answer = fresh_worker.ask({**SHARED, "items": [{"text": "These are some words to speak."}] * 6})
    assert answer["completed"] >= 1
    assert answer["failed"] >= 1
    assert answer["duration"] <= 6.5
    assert "All items of a job count together." in answer["items"][-1]["error"]


def test_items_lie_in_s3_under_ids_of_their_own(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    fresh_worker.use_s3(s3_config)
    answer = fresh_worker.ask({**SHARED, "items": [{"text": "Hello."}, {"text": "Times.", "return_word_timings": True}]})
    for item in answer["items"]:
        stored = fresh_worker.ask({"endpoint": "download", "job_id": item["job_id"]})
        assert stored["audio_data"] == base64_of(sound(item).data)
    assert [word["word"] for word in answer["items"][1]["words"]] == ["Times."]
    assert answer["items"][1]["timing_files"]["srt"].startswith("http")


def test_a_job_that_is_handed_out_again_is_answered_again(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    fresh_worker.use_s3(s3_config)
    fresh_worker.restart(RUNPOD_ENDPOINT_ID="endpoint")
    job = {"nfe_step": 1, "items": [{"text": "Hello."}, {"text": "Hello again."}, {"text": " "}]}
    first = fresh_worker.ask(job)
    fresh_worker.restart()
    again = fresh_worker.ask(job)
    assert handler.f5tts_model is None
    assert [item.get("seed") for item in again["items"]] == [item.get("seed") for item in first["items"]]
    assert sound(again["items"][1]).data == sound(first["items"][1]).data
    other = fresh_worker.ask({**job, "items": job["items"][:1]})  # type: ignore[index]
    assert len(other["items"]) == 1


def test_openais_voices_are_stored_ones_or_the_default(fresh_worker: FreshWorker) -> None:
    route, sent = "/v1/audio/speech", {"model": "tts-1", "input": "Hello.", "voice": "alloy", "nfe_step": 1, "seed": 1}
    answer = fresh_worker.ask({}, openai_route=route, openai_input=sent)
    assert (answer["output_format"], answer["reference"]["voice"]) == ("mp3", "built-in")
    assert [warning.partition(":")[0] for warning in answer["warnings"]][:2] == [
        "model has no effect",
        "No voice is stored as alloy",
    ]
    volume = fresh_worker.folder / "volume"
    (volume / "voices").mkdir(parents=True)
    (volume / "voices" / "alloy.wav").write_bytes(sound_file(voice(3)))
    fresh_worker.restart(NETWORK_VOLUME=volume)
    own = fresh_worker.ask({"openai_route": route, "openai_input": {**sent, "ref_text": ANNA["ref_text"]}})
    assert own["reference"]["voice"] == "alloy.wav"
    listed = fresh_worker.ask({"openai_route": "/v1/audio/voices", "openai_input": None})
    assert [each["name"] for each in listed["voices"]] == ["alloy.wav"]
    for name in ("nobody.wav", "nobody"):
        unknown = fresh_worker.ask({"openai_route": route, "openai_input": {**sent, "voice": name}})
        assert unknown["error_type"] == "NotFoundError"
    assert fresh_worker.ask({"text": "Hello.", "local_voice": "nova"})["error_type"] == "NotFoundError"
    shutil.rmtree(volume)


def test_items_are_understood(fresh_worker: FreshWorker, judge: Judge) -> None:
    fresh_worker.restart(F5TTS_MODEL="demo", F5TTS_DEVICE="cpu", OMP_NUM_THREADS="1")
    texts = [
        "They said the car would break down and indeed it did.",
        "I saw a white cat under the table.",
        "We had coffee and bread with the teacher.",
    ]
    answer = fresh_worker.ask({"seed": 1, "nfe_step": 7, "items": [{"text": text} for text in texts]})
    spoken = [sound(item) for item in answer["items"]]
    heard = [compare(text, judge.hear(each.samples, each.rate)) for text, each in zip(texts, spoken, strict=True)]
    assert total(heard).rate < 0.2, [str(verdict) for verdict in heard]
