"""The command line as people use it, in a process of its own."""

import base64
import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import soundfile

from f5_worker.cli.run import in_options, shortened
from tests import PATIENCE, wait_until
from tests.support.processes import HANDLER, temporary_files
from tests.support.sounds import sound_file, voice

SMOKE = {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
NO_S3 = {"S3_BUCKET": "mine", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
LONG = "word " * 3_999


def run(*arguments: str, env: dict[str, str], cwd: Path, text: bytes = b"") -> subprocess.CompletedProcess[str]:
    """The worker with these arguments, to its end."""
    done = subprocess.run(
        [*HANDLER, *arguments], env=env, cwd=cwd, input=text, capture_output=True, check=False, timeout=PATIENCE
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_speak_writes_the_file_that_its_last_line_names(environment: dict[str, str], tmp_path: Path) -> None:
    spoken = run("speak", "Hello", "there.", "--nfe-step", "1", env=environment | SMOKE, cwd=tmp_path)
    assert spoken.returncode == 0, spoken.stderr
    assert soundfile.info(tmp_path / spoken.stdout.strip()).format == "WAV"
    progress = [line for line in spoken.stderr.splitlines() if line.startswith(("Loading", "Speaking"))]
    assert progress[:2] == ["Loading the model", "Speaking on the CPU"]
    assert "noise" in spoken.stderr
    assert "| " not in spoken.stderr, "the log is for those who ask for it"

    environment |= {**SMOKE, **NO_S3, "RUNPOD_ENDPOINT_ID": "x"}  # neither a bucket nor RunPod keeps the file from being here
    (tmp_path / "me.wav").write_bytes(sound_file(voice(4)))
    arguments = ["--voice", "me.wav", "--ref-text", "Who I am.", "--out", "new/it.ogg", "--nfe-step", "1"]
    spoken = run("speak", "-", *arguments, env=environment, cwd=tmp_path, text="Grüße, 你好.\n".encode())
    assert (spoken.returncode, spoken.stdout) == (0, "new/it.ogg\n"), spoken.stderr
    assert soundfile.info(tmp_path / "new" / "it.ogg").subtype == "OPUS"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["it.ogg"]
    assert temporary_files(environment) == []


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["a", "--speed", "9"], b"", "speed=9.0 is out of range; use a number from 0.25 to 4."),
        (["-"], b"\xff\xfe", "The text on standard input is not UTF-8."),
        (["-"], b" ", "text is empty"),
        (["a", "--voice", "noise.wav", "--ref-text", "b"], b"", "The reference clip is a text, not audio; send wav, flac"),
        (["a", "--voice", "anna"], b"", "--voice anna: there is no such file here, and no bucket of stored voices; set S3"),
        (["a", "--out", "noise.wav/file.wav"], b"", "--out noise.wav/file.wav cannot be written"),
    ],
)
def test_speak_says_what_is_wrong_in_one_line(
    arguments: list[str], text: bytes, said: str, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no sound at all")
    done = run("speak", *arguments, env=environment | SMOKE, cwd=tmp_path, text=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_a_local_job_ends_with_its_answer_and_where_the_audio_is(environment: dict[str, str], tmp_path: Path) -> None:
    job = {"input": {"text": "Hello.", "nfe_step": 1, "output_format": "mp3"}}
    for variables in (SMOKE, {**SMOKE, **NO_S3, "S3_TIMEOUT": "1"}):
        done = run("--test_input", json.dumps(job), env=environment | variables, cwd=tmp_path)
        *lines, last = done.stdout.splitlines()
        answer = json.loads("\n".join(lines))
        assert (done.returncode, answer["status"], lines[1][:3]) == (0, "completed", '  "')
        assert (tmp_path / last).stat().st_size == answer["size"]
        assert "audio_path" in answer or answer["audio_base64"].endswith(" characters)")
        assert "| local_test | Spoke 1 chunks" in done.stderr
    done = run("--test_input", '{"input": {"sped": 2, "text": "a"}}', env=environment | SMOKE, cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["field"]) == (1, "sped")


def test_play_plays_it(environment: dict[str, str], tmp_path: Path) -> None:
    played = tmp_path / "played"
    player = tmp_path / "bin" / "ffplay"
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\nfor file in "$@"; do :; done; cp "$file" \'{played}\'\n')
    player.chmod(0o755)
    environment |= {**SMOKE, "PATH": f"{player.parent}:{environment['PATH']}"}
    done = run("speak", "a", "--nfe-step", "1", "--play", env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert played.read_bytes() == (tmp_path / done.stdout.strip()).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(number: signal.Signals, environment: dict[str, str], tmp_path: Path) -> None:
    command = [*HANDLER, "speak", LONG, "--nfe-step", "64"]
    with subprocess.Popen(
        command, env=environment | SMOKE, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: any(name.startswith("f5-tts-") for name in temporary_files(environment)))
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out) == (-number, "")
    assert "Traceback" not in err
    assert ("Stopped." in err) == (number == signal.SIGINT)
    assert temporary_files(environment) == []
    assert not (tmp_path / "output").exists()


def test_a_terminal_shows_bars(environment: dict[str, str], tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*HANDLER, "speak", "Hello there.", "--nfe-step", "2"]
    with subprocess.Popen(command, env=environment | SMOKE, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "Loading the model 00:" in text
    assert "Speaking on the CPU" in text
    assert " to go" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""  # the other side is closed


def test_only_long_base64_is_shortened() -> None:
    audio = base64.b64encode(bytes(3_000)).decode()
    answer: dict[str, Any] = {"audio_base64": audio, "text": "word " * 900, "chunks": [{"text": audio}], "url": "a" * 199}
    shown = shortened(answer)
    assert shown["audio_base64"] == f"{audio[:40]}... (4,000 characters)"
    assert shown == {**answer, "audio_base64": shown["audio_base64"], "chunks": [{"text": shown["audio_base64"]}]}


def test_errors_name_options_in_place_of_fields() -> None:
    assert in_options("local_voice='x' and ref_text=3") == "--voice='x' and --ref-text=3"
