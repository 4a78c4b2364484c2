"""The README's programs are run as they are printed there, against a real worker; its answers are what real ones look like."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests import PATIENCE
from tests.support.endpoint_api import endpoint_api
from tests.support.job_api import JobApi
from tests.support.pages import block
from tests.support.processes import WorkerProcess, clean_environment
from tests.support.s3_server import S3Server, s3_environment
from tests.support.sounds import sound_file, voice

CURL, PYTHON, NODE = ("bash", "-euo", "pipefail"), (sys.executable,), ("node",)
PROGRAMS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "curl.sh": (CURL, block("bash", "api runsync")),
    "client.py": (PYTHON, block("python", "requests.Session()")),
    "client.mjs": (NODE, block("js", "fetch(")),
}


@pytest.fixture(scope="module", params=["demo model, a bucket", "smoke model, no bucket"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server
) -> Iterator[dict[str, str]]:
    """The environment of a client of a new endpoint, with what the README has its reader export."""
    folder = tmp_path_factory.mktemp("endpoint")
    model, _, storage = request.param.partition(" model, ")
    stored = s3_environment(s3_server.config(prefix="clients")) if storage == "a bucket" else {"NETWORK_VOLUME": str(folder)}
    environment = clean_environment(folder, F5TTS_MODEL=model, **stored)
    with JobApi() as api, WorkerProcess(api, env=environment, cwd=folder), endpoint_api(api) as url:
        exported = {"ENDPOINT": url, "RUNPOD_API_KEY": api.api_key}
        assert re.findall(r"(\w+)=", block("bash", "export ENDPOINT=")) == [*exported]
        yield {"PATH": os.environ["PATH"], "HOME": str(folder), **exported}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the clip that the programs upload."""
    (tmp_path / "me.wav").write_bytes(sound_file(voice(1.5)))
    return tmp_path


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_saves_speech(name: str, client: dict[str, str], desk: Path) -> None:
    interpreter, program = PROGRAMS[name]
    for needed in (interpreter[0], *(("curl", "jq") if interpreter == CURL else ())):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed here")
    (desk / name).write_text(program, encoding="utf-8")
    subprocess.run([*interpreter, name], cwd=desk, env=client, check=True, timeout=PATIENCE)
    assert 1 < soundfile.info(desk / "hello.mp3").duration < 4


def test_an_answer_and_an_error_are_as_the_readme_shows_them(client: dict[str, str], desk: Path) -> None:
    program = block("python", "requests.Session()").partition("\nanswer = ")[0] + (
        'job = {"text": "Hello from F5-TTS.", "local_voice": "me.wav", "output_format": "mp3", "nfe_step": 5}\n'
        'for wrong in {}, {"output_format": "aac"}:\n'
        '    print(runpod.post(f"{endpoint}/runsync", json={"input": {**job, **wrong}}).text)\n'
    )
    command = [*PYTHON, "-c", program]
    run = subprocess.run(command, cwd=desk, env=client, check=True, stdout=subprocess.PIPE, timeout=PATIENCE)
    answer, error = (json.loads(line) for line in run.stdout.splitlines())
    shown_answer, shown_error = (json.loads(block("json", f'"status": "{status}"')) for status in ("COMPLETED", "FAILED"))
    output = shown_answer["output"]
    if "audio_base64" in answer["output"]:
        output["audio_base64"] = output.pop("audio_url")
    assert shape(answer) == shape(shown_answer)
    for name in ("status", "text", "output_format", "content_type", "sample_rate"):
        assert answer["output"][name] == output[name]
    platforms = ("id", "delayTime", "executionTime")
    assert error == {**shown_error, **{name: error[name] for name in platforms}}


def shape(value: Any) -> Any:
    """Names and types; of a list its first entry's, and nothing of texts in a list, of which there may be none."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1] if not isinstance(each, str)]
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
