"""The README agrees with the code: every field, every setting, every default."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from pydantic import BaseModel

from f5_worker.job import request as job_input
from f5_worker.model.community import COMMUNITY
from f5_worker.settings import Settings, load_settings
from tests import PATIENCE, REPOSITORY
from tests.support.pages import PAGES, block
from tests.support.processes import ServedApi

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

REQUESTS: Mapping[str, type[BaseModel]] = {
    "upload": job_input.UploadRequest,
    "list_voices": job_input.ListVoicesRequest,
    "delete_voice": job_input.DeleteVoiceRequest,
    "download": job_input.DownloadRequest,
    "health": job_input.HealthRequest,
}
DEFAULTS = {
    "F5TTS_MODEL": "model",
    "F5TTS_DEVICE": "device",
    "ASR_MODEL": "asr_model",
    "MODEL_LOADING": "model_loading",
    "MODEL_RETRY_SECONDS": "model_retry_seconds",
    "NETWORK_VOLUME": "network_volume",
    "OUTPUT_DIR": "output_dir",
    "MAX_TEXT_CHARS": "max_text_chars",
    "MAX_ITEMS": "max_items",
    "MAX_REFERENCE_BYTES": "max_reference_bytes",
    "MAX_INLINE_BYTES": "max_inline_bytes",
    "REFERENCE_CACHE_ITEMS": "reference_cache_items",
    "DOWNLOAD_TIMEOUT": "download_timeout",
}


def rows(after: str) -> Iterator[list[str]]:
    """The cells of the first table behind the heading ``after``."""
    lines = README[README.index(after) :].splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("|---"))
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def names(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


class _Recorder(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_, self.asked = values, set[str]()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_[name]

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return name in self.values_

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def settings_read() -> set[str]:
    environments: list[dict[str, str]] = [
        {},
        {
            "BUCKET_ACCESS_KEY_ID": "a",
            "BUCKET_SECRET_ACCESS_KEY": "b",
            "BUCKET_ENDPOINT_URL": "https://bucket.s3.amazonaws.com",
        },
        {"S3_BUCKET": "bucket", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
    ]
    asked: set[str] = set()
    for environment in environments:
        recorder = _Recorder(environment)
        load_settings(recorder)
        asked |= recorder.asked
    return {name for name in asked if not name.startswith("RUNPOD_")}


def test_every_tts_field_is_there_and_no_other() -> None:
    documented = [name for cells in rows("### `tts`") for name in names(cells[0])]
    assert sorted(documented) == sorted({*job_input.TtsRequest.model_fields, "items"} - {"endpoint"})


@pytest.mark.parametrize("endpoint", REQUESTS)
def test_every_field_of_the_other_endpoints_is_there(endpoint: str) -> None:
    cells = next(cells for cells in rows("### The other endpoints") if names(cells[0]) == [endpoint])
    fields = set(REQUESTS[endpoint].model_fields) - {"endpoint"}
    assert fields <= set(names(cells[1]))
    assert set(names(cells[1])) - fields <= {"anna.wav", "tts", "audio", "timing"}


def test_every_setting_is_there_and_no_other() -> None:
    documented = {name for cells in rows("## Settings") for name in names(cells[0])}
    documented |= {name for cells in rows("## Settings") for name in names(cells[2]) if name == "AWS_SESSION_TOKEN"}
    assert documented - {"HF_TOKEN"} == settings_read()


@pytest.mark.parametrize(("variable", "attribute"), DEFAULTS.items())
def test_defaults_are_the_real_ones(variable: str, attribute: str) -> None:
    cells = next(cells for cells in rows("## Settings") if variable in names(cells[0]))
    value = getattr(Settings(), attribute)
    assert cells[1].strip("`") == (f"{value:g}" if isinstance(value, float) else str(value))


def test_the_languages_are_those_of_the_table() -> None:
    documented = [[names(cell)[0] if "`" in cell else cell for cell in cells] for cells in rows("### Languages")]
    assert documented == [
        [model.language, name, f"[{model.repo}](https://huggingface.co/{model.repo})", model.config, model.licence]
        for name, model in COMMUNITY.items()
    ]


def test_the_local_api_answers_the_readmes_request(environment: dict[str, str], tmp_path: Path) -> None:
    command = block("bash", "curl -s http://localhost:8000/runsync")
    with ServedApi(env={**environment, "F5TTS_MODEL": "smoke"}, cwd=tmp_path) as served:
        line = command.replace("http://localhost:8000", served.url)
        result = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True, timeout=PATIENCE)
        job = {"input": {"text": "Hello.", "sped": 2}, "s3Config": {"bucketName": 1}}
        refused = requests.post(f"{served.url}/runsync", json=job, timeout=PATIENCE).json()
        endpoints = requests.get(f"{served.url}/openapi.json", timeout=PATIENCE).json()["paths"]
    answer = json.loads(result.stdout)
    assert answer["status"] == "COMPLETED"
    assert (tmp_path / answer["output"]["audio_path"]).is_file()
    assert refused.keys() == {"id", "status", "error"}
    assert "sped=" in refused["error"]
    assert "s3Config" not in refused["error"]
    assert not [path for path in endpoints if path.startswith("/cancel")]


def test_every_link_leads_somewhere() -> None:
    for page in (REPOSITORY / page for page in PAGES):
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == [], page
