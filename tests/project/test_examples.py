"""Every fenced block of the pages that users read is run by a test or by CI, or parsed where that needs what no test has."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from f5_worker.job.request import parse_job
from f5_worker.settings import Settings
from tests import REPOSITORY
from tests.job.test_schema import SCHEMA
from tests.support.json_schema import conforms
from tests.support.pages import BLOCKS, Block

CLIENTS = "project/test_clients.py::test_the_program_saves_speech"
ANSWERS = "project/test_clients.py::test_an_answer_and_an_error_are_as_the_readme_shows_them"
RUN_BY: Mapping[str, str] = {
    './start.sh speak "Hello from F5-TTS."': "cli/test_run.py::test_speak_writes_the_file_that_its_last_line_names",
    './start.sh --test_input \'{"input": {"text": "Hello, how are you today?"}}\'': "worker/test_stand_in.py::"
    "test_the_readmes_first_command_is_understood_without_a_hub",
    'F5TTS_MODEL=demo ./start.sh --test_input \'{"input": {"text": "Hello, how are you today?"}}\'': "bootstrap/"
    "test_start_broken.py::test_the_true_environment_speaks",
    "./start.sh serve": "front/test_server.py::test_a_key_is_asked_for_but_by_ping_and_the_page",
    "./start.sh --rp_serve_api": "project/test_readme.py::test_the_local_api_answers_the_readmes_request",
    "curl -s http://localhost:8000/runsync": "project/test_readme.py::test_the_local_api_answers_the_readmes_request",
    "export ENDPOINT=": CLIENTS,
    "api() {": CLIENTS,
    "import base64": CLIENTS,
    "import { readFile": CLIENTS,
    '{\n  "id": "0c1c': ANSWERS,
    '{\n  "id": "7d9e': ANSWERS,
    '{"input": ': "project/test_examples.py::test_each_job_is_accepted",
    "flowchart": "project/test_architecture.py::test_the_drawing_is_current",
    "tests/run.sh": ".ci/run",
    "python -m f5_worker.job.schema": "job/test_schema.py::test_the_file_is_current",
    "python -m tests.project.test_architecture": "project/test_architecture.py::test_the_drawing_is_current",
    "python3 setup_network_venv.py --check": "bootstrap/test_setup_network_venv.py::"
    "test_check_changes_nothing_and_tells_the_state",
    "pip install --no-deps -r requirements.txt": "bootstrap/test_requirements.py::test_plain_pip_installs_it_as_its_head_says",
    "git grep -lz ": "project/test_image.py::test_one_command_gives_all_links_another_repository",
    "docker build --platform linux/amd64 -f Dockerfile.runpod ": ".github/workflows/ci.yml",
}
"""What runs a block or a command that begins so: a test function, or a file that CI runs."""
ONLY_PARSED: Mapping[str, str] = {
    "docker push ": "needs a registry's account; the release workflow pushes both images",
}
TOOLS: Mapping[str, tuple[str, ...]] = {
    "bash": ("bash", "-n"),
    "python": ("python", "-c", "import sys; compile(sys.stdin.read(), 'example', 'exec')"),
    "js": ("node", "--input-type=module", "--check"),
}
JSON = [block for block in BLOCKS if block.language == "json"]


def beginnings(block: Block) -> list[str]:
    """What must be run: each line of a shell block that is a list of single commands, else the whole."""
    return block.commands if block.language == "bash" and "\n\n" not in block.text else [block.text]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}-{block.language}-{block.text[:30].strip()}")
def test_each_block_is_run_or_has_a_reason_not_to_be(block: Block) -> None:
    for text in beginnings(block):
        known = [begin for begin in (*RUN_BY, *ONLY_PARSED) if text.startswith(begin)]
        assert known, f"{block.page}: what runs {text!r}?"


def test_what_runs_them_is_there() -> None:
    for begin, runner in RUN_BY.items():
        assert any(text.startswith(begin) for block in BLOCKS for text in beginnings(block)), f"no page has {begin!r} any more"
        name, _, function = runner.partition("::")
        path = REPOSITORY / (f"tests/{name}" if function else name)
        assert f"def {function}(" in path.read_text(encoding="utf-8") if function else path.is_file()


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in TOOLS], ids=lambda block: block.text[:40])
def test_each_program_parses(block: Block) -> None:
    command = TOOLS[block.language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here")
    subprocess.run(command, input=block.text, text=True, check=True)


@pytest.mark.parametrize("block", JSON, ids=lambda block: f"{block.page}-{block.text[:40].strip()}")
def test_each_job_is_accepted(block: Block) -> None:
    job: dict[str, Any] = json.loads(block.text)
    if "input" in job:
        assert conforms(job, SCHEMA, SCHEMA)
        parse_job(job, Settings())
