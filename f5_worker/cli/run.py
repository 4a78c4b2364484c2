"""One local job, from the command line to the answer on it: the log and the progress go to standard error."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from f5_worker import log, sdk, temporary
from f5_worker.cli.arguments import Command, LocalJob, Speak
from f5_worker.cli.display import display, say
from f5_worker.job.context import Stop
from f5_worker.progress import shown_by
from f5_worker.resources import Resources
from f5_worker.settings import Settings

Answer = Callable[[Mapping[str, Any], Stop], dict[str, Any]]
"""Runs a raw job to its answer, whatever goes wrong."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_OPTIONS = {
    "ref_audio_base64": "--voice",
    "local_voice": "--voice",
    "ref_text": "--ref-text",
    "output_format": "--format",
    "nfe_step": "--nfe-step",
}
"""What the command line calls the fields that errors name."""


class _Signalled(BaseException):
    """SIGINT or SIGTERM has come."""


def run(command: Command, answer: Answer, resources: Resources) -> int:
    """Run the job in this thread and print what came of it; returns the exit code. A signal ends it, and leaves no file."""
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as for what a shell runs in the background
            signal.signal(number, _raise)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter must not cost the answer
    for problem in sdk.problems:
        say(f"{problem}\n")
    try:
        if isinstance(command, Speak):
            return _speak(command, answer, stop, resources)
        return _run(command, answer, stop, resources)
    except _Signalled as signalled:
        stop.set()
        _die(signalled.args[0])


def _run(command: LocalJob, answer: Answer, stop: Stop, resources: Resources) -> int:
    job = {"id": "local_test", **command.raw}
    if command.log_level:
        sdk.RunPodLogger().set_level(command.log_level)
    log.current_job_id.set(str(job["id"]))
    with redirect_stdout(_Log()), shown_by(display()):
        result = answer(job, stop)
    place = _place(result, resources.settings)
    _print(json.dumps(shortened(result), indent=2, ensure_ascii=False))
    if place is not None:
        _print(place)
    if resources.standing_in and (model := resources.stand_in.value) is not None:
        say(f"{model.warning}\n")  # last, where it is seen
    return 1 if "error" in result else 0


def _place(result: Mapping[str, Any], settings: Settings) -> str | None:
    """Where the audio of an answer is; what came inside the answer is written to a file, for base64 is nothing to look at."""
    if "audio_base64" not in result:
        return result.get("audio_path") or result.get("audio_url")
    path = settings.output_dir / f"{result['job_id']}.{result['output_format']}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(result["audio_base64"]))
    return str(path)


def _speak(command: Speak, answer: Answer, stop: Stop, resources: Resources) -> int:
    out = command.out
    if out is not None:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return _fail(f"--out {out} cannot be written ({error.strerror}).")
        if not os.access(out.parent, os.W_OK):
            return _fail(f"--out {out} cannot be written (its folder is not writable).")
    settings = replace(resources.settings, keep_local=True, on_runpod=False, streaming=False)
    resources.settings = replace(settings, output_dir=out.absolute().parent) if out else settings
    said = _Log() if command.verbose else io.StringIO()
    try:
        fields = {**command.fields, "text": _text(command.text), **_voice(command.voice)}
    except (OSError, UnicodeDecodeError) as error:
        return _fail(f"{error.filename} cannot be read ({error.strerror})." if isinstance(error, OSError) else _NOT_UTF8)
    with redirect_stdout(said), shown_by(display()):
        result = answer({"id": "speak", "input": fields}, stop)
    if "error" in result:
        if result["error_type"] == "WorkerError" and isinstance(said, io.StringIO):
            say(said.getvalue())  # unforeseen: the log is all that there is to report
        if result["error_type"] == "StorageNotConfiguredError":
            return _fail(f"--voice {command.fields['local_voice']}: {_NO_VOICE}")
        return _fail(in_options(result["error"]))
    for warning in result["warnings"]:
        say(f"{warning}\n")
    if "audio_path" not in result:
        return _fail("The speech could not be written; choose another place with --out.")
    path = Path(result["audio_path"])
    if out is not None:
        path = path.replace(out)
    _print(str(path))
    if command.player is not None:
        played = subprocess.run([*command.player, str(path)], stdin=subprocess.DEVNULL, check=False)
        return _fail(f"{command.player[0]} could not play it.") if played.returncode else 0
    return 0


_NO_VOICE = (
    "there is no such file here, and no bucket of stored voices; set S3_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
    "for one."
)
_NOT_UTF8 = "The text on standard input is not UTF-8."


def _text(text: str) -> str:
    return sys.stdin.buffer.read().decode("utf-8-sig") if text == "-" else text


def _voice(path: Path | None) -> dict[str, str]:
    return {} if path is None else {"ref_audio_base64": base64.b64encode(path.read_bytes()).decode("ascii")}


def in_options(message: str) -> str:
    """An error's message with the fields of the job as the command line calls them."""
    return re.sub(rf"\b({'|'.join(_OPTIONS)})\b", lambda found: _OPTIONS[found[0]], message)


def shortened(value: Any) -> Any:
    """A JSON value with each long base64 in it cut to its beginning and its length."""
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and _BASE64.fullmatch(value):
        return f"{value[:40]}... ({len(value):,} characters)"
    return value


class _Log(io.TextIOBase):
    """Standard output of the job, which is the SDK's log: whole lines."""

    def __init__(self) -> None:
        self._part = ""

    def write(self, text: str) -> int:
        *lines, self._part = (self._part + text).split("\n")
        if lines:
            say("\n".join([*lines, ""]))
        return len(text)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _fail(sentence: str) -> int:
    say(f"{sentence}\n")
    return 1


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    raise _Signalled(number)


def _die(number: int) -> NoReturn:
    """End as the signal would have, so that shells know; no thread that still computes is waited for."""
    say("\nStopped.\n" if number == signal.SIGINT else "")
    temporary.drop_own()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)  # not reached, unless the signal is blocked
