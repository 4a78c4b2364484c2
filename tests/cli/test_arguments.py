"""What the command line asks for, and what it answers to what it cannot do, before anything is built or loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from f5_worker.cli.arguments import LocalJob, Speak, read_command_line
from tests import REPOSITORY

JOB = '{"input": {"text": "Hello."}}'
POLLS = {"RUNPOD_WEBHOOK_GET_JOB": "http://localhost"}
BAD_FILE = '{\n "input": {\n  "text": "a"\n  "seed": 3\n }\n}'


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test_input.json is there unless the test lays one."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ([], POLLS),
        (["--whatever", "RunPod adds"], POLLS),
        (["--rp_serve_api", "--rp_api_port", "8001"], {}),
        (["--rp_serve_api", "--test_input", JOB], {}),
        (["--test_input", JOB], {"RUNPOD_REALTIME_PORT": "80"}),
    ],
)
def test_what_is_left_to_the_sdk(arguments: list[str], environment: dict[str, str]) -> None:
    assert read_command_line(arguments, environment) is None


@pytest.mark.parametrize("environment", [{}, POLLS])
@pytest.mark.parametrize("arguments", [["--test_input", JOB], [f"--test_input={JOB}", "--rp_log_level", "DEBUG"]])
def test_a_job(arguments: list[str], environment: dict[str, str]) -> None:
    command = read_command_line(arguments, environment)
    assert isinstance(command, LocalJob)
    assert command.raw == json.loads(JOB)


@pytest.mark.parametrize("arguments", [[], ["--test_input"], ["--test_input", ""]])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_job_in_the_file(arguments: list[str], encoding: str) -> None:
    Path("test_input.json").write_text(JOB, encoding=encoding)
    command = read_command_line(arguments, {})
    assert isinstance(command, LocalJob)
    assert command.raw == json.loads(JOB)


@pytest.mark.parametrize(
    ("arguments", "file", "code", "said"),
    [
        (["--test_input", "{input: {text: Hello}}"], None, 1, "character 2, here: {>>>input: {text"),
        (["--test_input", '{"input": {"text": "a" "b"}}'], None, 1, 'at character 24, here: {"input": {"text": "a" >>>"b"}}'),
        (["--test_input", '{"input": {"text": "a'], None, 1, "Unterminated string starting at character 20"),
        (["--test_input", "[" * 100_000], None, 1, "nested too deeply"),
        (["--test_input", "[1]"], None, 1, 'has no "input"'),
        (["--test_input", '{"text": "a"}'], None, 1, 'has no "input"; a job looks like {"input"'),
        ([], BAD_FILE, 1, "test_input.json is not JSON: Expecting ',' delimiter at line 4, character 3, here: "),
        ([], None, 1, "There is no job: give one with --test_input"),
        (["Hello there"], None, 2, "to speak it: speak 'Hello there'"),
        (["--test_inputs", JOB], None, 2, "'--test_inputs' is not an argument"),
        (["speak"], None, 2, "required: TEXT"),
        (["speak", " "], None, 2, "TEXT is empty"),
        (["speak", "a", "--format", "aiff"], None, 2, "invalid choice: 'aiff'"),
        (["speak", "a", "--out", "."], None, 2, "--out . is a folder"),
        (["speak", "a", "--voice", "./nobody.wav"], None, 1, "--voice ./nobody.wav: there is no such file."),
        (["speak", "a", "--voice", "."], None, 1, "--voice .: that is a folder."),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], file: str | None, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if file is not None:
        Path("test_input.json").write_text(file)
    with pytest.raises(SystemExit) as ended:
        read_command_line(arguments, {})
    heard = capsys.readouterr()
    assert (ended.value.code, heard.out, heard.err.count("\n")) == (code, "", 1)
    assert said in heard.err


def test_speak_becomes_fields_of_a_job() -> None:
    Path("me.wav").touch()
    command = read_command_line(["speak", "two", "words", "--voice", "me.wav", "--ref-text", "I.", "--out", "a/b.MP3"], {})
    fields = {"output_format": "mp3", "ref_text": "I."}
    assert command == Speak("two words", fields, Path("me.wav"), Path("a/b.MP3"), None, False)
    given = {"output_format": "flac", "local_voice": "anna", "speed": 2.0, "seed": 3, "nfe_step": 4}
    arguments = ["--voice", "anna", "--format", "FLAC", "--out", "x.wav", "--speed", "2", "--seed", "3", "--nfe_step", "4"]
    assert read_command_line(["speak", "-", *arguments], POLLS) == Speak("-", given, None, Path("x.wav"), None, False)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["speak", "--help"]])
def test_help_needs_nothing(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(REPOSITORY / "handler.py"), *arguments]
    done = subprocess.run(command, env={"F5_LOCAL_ROOT": str(tmp_path)}, capture_output=True, check=True, text=True)
    assert "./start.sh speak" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
