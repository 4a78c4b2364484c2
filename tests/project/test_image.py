"""The image's and the Hub's files agree with the code they are for. ``F5_TEST_IMAGE=1`` builds the images (build_image.sh)."""

import ast
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.installers import UV_VERSION
from f5_worker.job.request import parse_job
from f5_worker.model.community import COMMUNITY
from f5_worker.model.files import OFFICIAL_VOCODER
from f5_worker.runtime.hub import hub_file
from f5_worker.settings import Settings, load_settings
from tests import REPOSITORY
from tests.support import release
from tests.support.hub_server import hub_server
from tests.support.pages import block
from tests.support.processes import run_once

DOCKERFILE = (REPOSITORY / "Dockerfile.runpod").read_text()
HUB: dict[str, Any] = json.loads((REPOSITORY / ".runpod" / "hub.json").read_text())
HUB_TESTS: dict[str, Any] = json.loads((REPOSITORY / ".runpod" / "tests.json").read_text())
ROOT = f"https://github.com/{release.repository()}"
RAW = f"https://raw.githubusercontent.com/{release.repository()}/main"
INPUTS: dict[str, dict[str, Any]] = {entry["key"]: entry["input"] for entry in HUB["config"]["env"]}
NOT_OURS = {"HF_TOKEN", "RUNPOD_LOG_LEVEL"}
"""Variables that libraries read, and that users want to set."""
NOT_FOR_USERS = {
    "RUNPOD_POD_ID",
    "NETWORK_VOLUME",  # RunPod mounts volumes in one place
    "OUTPUT_DIR",  # for local runs
    "PORT",  # RunPod sets both
    "PORT_HEALTH",
    "RUNPOD_WEBHOOK_GET_JOB",
    "RUNPOD_ENDPOINT_ID",
    "RUNPOD_REALTIME_PORT",
}


def pinned(package: str, requirements: str = "requirements.txt") -> str:
    """The version in a requirements file."""
    found = re.search(rf"^{re.escape(package)}==(\S+)$", (REPOSITORY / requirements).read_text(), re.MULTILINE)
    assert found, package
    return found[1]


# --- The image ---------------------------------------------------------------------------------------------------------------


def test_hadolint() -> None:
    checker = Path(sys.executable).with_name("hadolint")
    files = [str(REPOSITORY / name) for name in ("Dockerfile.runpod", ".runpod/Dockerfile")]
    subprocess.run([str(checker if checker.exists() else "hadolint"), *files], check=True)


def test_the_hubs_image_is_the_same_with_the_environment_in_it() -> None:
    assert DOCKERFILE.count("ARG BAKE_VENV=false\n") == 1
    assert (REPOSITORY / ".runpod" / "Dockerfile").read_text() == DOCKERFILE.replace(
        "ARG BAKE_VENV=false\n", "ARG BAKE_VENV=true\n"
    )


def test_versions_stand_in_one_place() -> None:
    assert f"ARG UV_VERSION={UV_VERSION}\n" in DOCKERFILE
    assert pinned("uv", "requirements-dev.txt") == UV_VERSION
    assert "--constraint requirements.txt runpod\n" in DOCKERFILE
    python = re.search(r"^ARG PYTHON_IMAGE=python:(3\.\d+)-slim", DOCKERFILE, re.MULTILINE)
    compiled_for = re.search(r"--python-version (\S+)", (REPOSITORY / "requirements.in").read_text())
    assert python
    assert compiled_for
    assert python[1] == compiled_for[1]


def test_the_image_holds_every_module_that_the_worker_imports_and_no_more() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert admitted == {_top(path) for path in _worker_files()} | {"start.sh", "requirements.txt", "test_input.json", "LICENSE"}


def test_the_image_alone_speaks_its_test_job_without_a_hub(environment: dict[str, str], tmp_path: Path) -> None:
    """``docker run IMAGE``: what .dockerignore admits, in a folder of its own, with the image's variables and command."""
    app = tmp_path / "app"
    app.mkdir()
    for name in (line.removeprefix("!") for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] == "!"):
        source = REPOSITORY / name
        shutil.copytree(source, app / name) if source.is_dir() else shutil.copy(source, app / name)
    assert dict(re.findall(r"^ENV (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE)).keys() == {"F5_PYTHON"}
    variables = {**environment, "OMP_NUM_THREADS": "1", "F5_PYTHON": sys.executable}
    (command,) = re.findall(r'^CMD \["/app/(\S+)"\]$', DOCKERFILE, re.MULTILINE)
    run = run_once(None, command=[str(app / command)], env=variables, cwd=app)
    assert run.exit_code == 0, run.log
    output = run.result["output"]
    assert output["text"] == json.loads((REPOSITORY / "test_input.json").read_text())["input"]["text"]
    assert (app / output["audio_path"]).stat().st_size == output["size"]
    assert "demo model speaks in its place" in output["warnings"][0]


def _top(path: Path) -> str:
    return path.relative_to(REPOSITORY).parts[0]


def _worker_files() -> set[Path]:
    """All of our own Python files that start.sh's two entry points lead to."""
    todo = [REPOSITORY / "handler.py", REPOSITORY / "setup_network_venv.py"]
    found: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += [file for name in _imports(path) for file in _own_files(name)]
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_files(name: str) -> Iterator[Path]:
    base = REPOSITORY.joinpath(*name.split("."))
    yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


def test_the_official_weights_are_laid_out_as_a_model_folder(tmp_path: Path) -> None:
    served = {
        "SWivid/F5-TTS/F5TTS_v1_Base/model_1250000.safetensors": b"the checkpoint",
        "charactr/vocos-mel-24khz/config.yaml": b"the vocoder's configuration",
        "charactr/vocos-mel-24khz/pytorch_model.bin": b"the vocoder",
    }
    folder = tmp_path / "opt" / "model"
    with hub_server(served) as hub:
        variables = {"PATH": os.defpath, "HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hub"), "HF_ENDPOINT": hub.url}
        command = [sys.executable, "-m", "f5_worker.model.bake", str(folder)]
        subprocess.run(command, cwd=REPOSITORY, env=variables, check=True)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files["model.safetensors"] == b"the checkpoint"
    assert files["vocos/config.yaml"] == b"the vocoder's configuration"
    assert files["vocos/pytorch_model.bin"] == b"the vocoder"
    assert yaml.safe_load(files["config.yaml"])["model"]["backbone"] == "DiT"
    assert len(files["vocab.txt"].splitlines()) > 1000


def test_the_vocoder_that_is_built_into_every_image_is_the_one_that_a_worker_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = re.search(r'PYTHONPATH=\S+ python3 -c "(.*?)"', DOCKERFILE.replace("\\\n", ""), re.DOTALL)
    assert command
    parts = {part: f"the vocoder's {part}".encode() for part in ("config.yaml", "pytorch_model.bin")}
    with hub_server({f"charactr/vocos-mel-24khz/{part}": data for part, data in parts.items()}) as hub:
        variables = {"PATH": os.defpath, "HOME": str(tmp_path), "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url}
        subprocess.run([sys.executable, "-c", command[1].replace("/opt/", f"{tmp_path}/opt/")], env=variables, check=True)
    monkeypatch.setenv("F5_IMAGE_ROOT", str(tmp_path / "opt"))
    for cache in ("opt/f5-tts-worker/hub", "volume/huggingface-cache/hub"):  # the image's is preferred
        snapshot = tmp_path / cache / "models--charactr--vocos-mel-24khz" / "snapshots" / "other"
        snapshot.mkdir(parents=True)
        (snapshot / "config.yaml").write_bytes(b"another")
    for part, data in parts.items():
        assert hub_file(f"{OFFICIAL_VOCODER}/{part}", "F5TTS_VOCODER_PATH", tmp_path / "volume").read_bytes() == data


@pytest.mark.skipif(os.environ.get("F5_TEST_IMAGE") != "1", reason="builds two images, 20 GB and minutes: F5_TEST_IMAGE=1")
def test_the_images_build_and_speak() -> None:
    subprocess.run(["bash", str(REPOSITORY / "tests" / "build_image.sh")], check=True)


# --- The Hub -----------------------------------------------------------------------------------------------------------------


def test_the_listing_has_what_the_hub_wants() -> None:
    assert set(HUB) == {"title", "description", "type", "category", "config"}
    assert (HUB["type"], HUB["category"]) == ("serverless", "audio")
    config = HUB["config"]
    wanted = {"runsOn", "containerDiskInGb", "gpuCount", "gpuIds", "allowedCudaVersions", "iconUrl", "presets", "env"}
    assert set(config) == wanted
    assert (config["runsOn"], config["gpuCount"]) == ("GPU", 1)
    assert config["containerDiskInGb"] >= 20, "a build needs the downloads and the environment on it"
    assert len(INPUTS) == len(config["env"]), "a variable is there twice"


@pytest.mark.parametrize("key", INPUTS)
def test_every_variable_is_explained(key: str) -> None:
    field = INPUTS[key]
    assert set(field) <= {"name", "type", "description", "default", "advanced", "options", "min", "max"}
    assert field["type"] in ("string", "number", "boolean")
    assert field["name"]
    assert field["description"].endswith(".")
    if "options" in field:
        assert field["default"] in [option["value"] for option in field["options"]]
    if field["type"] == "number":
        assert field["min"] <= field["default"] <= field["max"]


class _Recorder(Mapping[str, str]):
    """An environment that notes what is asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_ = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_the_listing_offers_every_setting() -> None:
    asked: set[str] = set()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    for bucket in ({}, {"S3_BUCKET": "bucket", **keys}, {"BUCKET_ENDPOINT_URL": "https://bucket.s3.eu-west-1.amazonaws.com"}):
        recorder = _Recorder(bucket)
        load_settings(recorder)
        asked |= recorder.asked
    assert set(INPUTS) == (asked - NOT_FOR_USERS) | NOT_OURS


def test_the_defaults_are_those_of_the_code() -> None:
    given = {key: str(field["default"]) for key, field in INPUTS.items() if field["default"] != ""}
    assert load_settings(given) == Settings()
    bucket = {"S3_BUCKET": "bucket"}
    assert load_settings(given | bucket) == load_settings(bucket)


@pytest.mark.parametrize("key", [key for key, field in INPUTS.items() if field["type"] == "number"])
def test_the_limits_are_those_of_the_code(key: str) -> None:
    for limit in ("min", "max"):
        load_settings({key: str(INPUTS[key][limit]), "S3_BUCKET": "bucket"})
    with pytest.raises(Exception, match=key):
        load_settings({key: str(INPUTS[key]["max"] + 1), "S3_BUCKET": "bucket"})


@pytest.mark.parametrize("preset", HUB["config"]["presets"], ids=lambda preset: str(preset["name"]))
def test_presets_can_be_used(preset: dict[str, Any]) -> None:
    assert set(preset["defaults"]) <= set(INPUTS)
    assert load_settings(preset["defaults"]).model_loading == "background"


def test_the_form_shows_at_most_a_dozen_inputs() -> None:
    assert len([field for field in INPUTS.values() if not field["advanced"]]) <= 12


def test_each_language_has_a_preset() -> None:
    models = [preset["defaults"]["F5TTS_MODEL"] for preset in HUB["config"]["presets"]]
    assert len(models) == len(set(models))
    assert set(models) >= {"", "demo", *COMMUNITY}


def test_the_icon_lies_where_the_listing_says() -> None:
    assert HUB["config"]["iconUrl"].startswith(f"{RAW}/")
    icon = (REPOSITORY / HUB["config"]["iconUrl"].removeprefix(f"{RAW}/")).read_bytes()
    assert icon[:16] == b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"  # GitHub's raw files are shown as images in this form everywhere
    assert struct.unpack(">II", icon[16:24]) == (256, 256)


def test_the_hubs_page_links_to_what_is_there_and_its_jobs_are_accepted() -> None:
    page = (REPOSITORY / ".runpod" / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    ours = [link.removeprefix(f"{ROOT}/blob/main/").partition("#")[0] for link in links if link.startswith(f"{ROOT}/")]
    assert len(ours) > 3
    assert [path for path in ours if not (REPOSITORY / path).is_file()] == []
    jobs = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert len(jobs) > 3
    for job in jobs:
        parse_job(json.loads(job), Settings())


def test_hosts_have_the_cuda_that_torch_is_built_for() -> None:
    """A host's version is what its driver can run; an older one than torch's own needs luck."""
    built_for = _numbers(".".join(pinned("nvidia-cuda-runtime-cu12").split(".")[:2]))
    allowed = [_numbers(version) for version in HUB["config"]["allowedCudaVersions"]]
    assert min(allowed) == built_for
    assert HUB_TESTS["config"]["allowedCudaVersions"] == HUB["config"]["allowedCudaVersions"]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("case", HUB_TESTS["tests"], ids=lambda case: str(case["name"]))
def test_the_hubs_test_jobs_are_accepted(case: dict[str, Any]) -> None:
    assert set(case) == {"name", "input", "timeout"}
    assert 10_000 <= case["timeout"] <= 600_000
    parse_job({"id": "1", "input": case["input"]}, Settings())


def test_the_hubs_test_environment() -> None:
    """The check hangs on no download: the demo model is in the image."""
    assert {"key": "F5TTS_MODEL", "value": "demo"} in HUB_TESTS["config"]["env"]
    config = HUB_TESTS["config"]
    assert set(config) == {"gpuTypeId", "gpuCount", "env", "allowedCudaVersions"}
    assert {entry["key"] for entry in config["env"]} <= set(INPUTS)


def test_the_hubs_tests_pass(environment: dict[str, str], tmp_path: Path) -> None:
    """As the release workflow runs them on the image, but for the container."""
    command = [sys.executable, "-m", "tests.support.hub_tests", str(REPOSITORY / "start.sh")]
    variables = {**environment, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "F5_PYTHON": sys.executable}
    run = subprocess.run(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    assert [line for line in run.stdout.splitlines() if line.startswith("---")] == [
        f"--- {case['name']}: passed" for case in HUB_TESTS["tests"]
    ]
    assert subprocess.run([*command[:3], "false"], env=variables, stdout=subprocess.PIPE).returncode == 1


# --- The workflows -----------------------------------------------------------------------------------------------------------


def workflow(name: str) -> tuple[dict[str, Any], str]:
    """A workflow, and all commands that it runs."""
    found = yaml.safe_load((REPOSITORY / ".github" / "workflows" / name).read_text())
    steps = [step for job in found["jobs"].values() for step in job["steps"]]
    return found, "\n".join(step["run"] for step in steps if "run" in step).replace("\\\n", "")


def test_the_workflow_runs_the_checks_and_builds_both_images() -> None:
    _, commands = workflow("ci.yml")
    assert "bash .ci/run" in commands
    assert "docker build --platform linux/amd64 --file Dockerfile.runpod " in commands
    assert "docker build --platform linux/amd64 --file .runpod/Dockerfile " in commands


def test_a_release_builds_pushes_and_tries_both_images() -> None:
    release_, commands = workflow("release.yml")
    (job,) = release_["jobs"].values()
    assert job["permissions"] == {"contents": "read", "packages": "write"}
    assert {each["dockerfile"] for each in job["strategy"]["matrix"]["include"]} == {"Dockerfile.runpod", ".runpod/Dockerfile"}
    in_order = [
        "support.release ",
        "docker build --platform linux/amd64 ",
        "docker push ",
        "support.hub_tests docker run ",
        "latest",
    ]
    places = [commands.index(each) for each in in_order]
    assert places == sorted(places)


def test_the_audit_and_the_updates_have_files_of_their_own() -> None:
    _, commands = workflow("audit.yml")
    for requirements in ("requirements.txt", "requirements-dev.txt"):
        assert re.search(rf"pip-audit .*--requirement {re.escape(requirements)}$", commands, re.MULTILINE)
    updates = yaml.safe_load((REPOSITORY / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "docker", "pip"}


# --- Releases ----------------------------------------------------------------------------------------------------------------


def test_all_links_are_to_the_repository_that_pyproject_names() -> None:
    assert set(map(frozenset, release.linked().values())) == {frozenset({release.repository()})}


def test_one_command_gives_all_links_another_repository(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if Path(name).suffix in (".md", ".json", ".toml", ".py"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, tmp_path / name)
    for command in ("git init -q", "git add -A", block("bash", "git grep -lz").replace("NEW_OWNER/NEW_NAME", "anna/voice")):
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=tmp_path, check=True)
    check = [sys.executable, "-m", "tests.support.release"]
    version = release.project()["version"]
    for tag, name, code in ((f"v{version}", "anna/voice", 0), (f"v{version}", "anna/other", 1), ("v0.0.1", "anna/voice", 1)):
        assert subprocess.run([*check, tag, name], cwd=tmp_path, stdout=subprocess.PIPE).returncode == code, (tag, name)
