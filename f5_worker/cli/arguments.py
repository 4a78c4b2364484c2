"""What the command line asks for, checked before anything is built or loaded. Standard library only."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from f5_worker.cli.player import find_player
from f5_worker.formats import FORMATS

_HELP = """\
F5-TTS, on RunPod and here. The first start builds the Python environment that it needs.

  ./start.sh speak "Hello there."                                      speak into a file; speak --help says more
  ./start.sh --test_input '{"input": {"text": "Hello there."}}'        one job, as an endpoint gets it
  ./start.sh serve                                                     a page to try it, and an API like OpenAI's, on port 8000
  ./start.sh --rp_serve_api                                            a local API like RunPod's, on port 8000
  ./start.sh                                                           on RunPod the worker, here the job in test_input.json

python handler.py takes the same arguments. F5TTS_MODEL chooses the model: demo is a tiny English voice that needs no download.
"""
_EXAMPLE = '{"input": {"text": "Hello there."}}'
_FILE = Path("test_input.json")
_NEAR = 24  # characters of bad JSON that are shown on either side of the place


@dataclass(frozen=True, slots=True)
class LocalJob:
    """``--test_input``, or the file of that name: a job as the endpoint gets it."""

    raw: Mapping[str, Any]
    log_level: str | None = None


@dataclass(frozen=True, slots=True)
class Speak:
    """``speak``: the fields of a ``tts`` job, where the file goes, and whether to play it. ``text`` "-" is standard input."""

    text: str
    fields: Mapping[str, Any]
    voice: Path | None
    out: Path | None
    player: Sequence[str] | None
    verbose: bool


@dataclass(frozen=True, slots=True)
class Serve:
    """``serve``: the HTTP front; ``None`` is for what the environment or the machine says."""

    host: str | None
    port: int | None


Command: TypeAlias = LocalJob | Speak
CommandLine: TypeAlias = Command | Serve | None
"""``None``: the SDK's own job loop, or its local API."""


def read_command_line(arguments: Sequence[str], environment: Mapping[str, str]) -> CommandLine:
    """What to do. Exits with 0 after help, with 2 on wrong arguments, with 1 where there is no job that can be read."""
    if arguments and arguments[0] == "speak":
        return _speak(arguments[1:], environment)
    if arguments and arguments[0] == "serve":
        return _serve(arguments[1:])
    parser = _Parser("./start.sh", _HELP, usage="./start.sh [speak TEXT | serve | --test_input [JSON]] [--help]")
    parser.add_argument("--test_input", nargs="?", const="", metavar="JSON", help=f"one job; without JSON the one in {_FILE}")
    parser.add_argument("--rp_serve_api", action="store_true", help="serve a local API; with --rp_api_host and --rp_api_port")
    parser.add_argument("--rp_log_level", metavar="LEVEL", help="ERROR, WARN, INFO or DEBUG")
    asked, others = parser.parse_known_args(arguments)
    served = asked.rp_serve_api or environment.get("RUNPOD_REALTIME_PORT", "0") not in ("", "0")
    if served or (not asked.test_input and environment.get("RUNPOD_WEBHOOK_GET_JOB")):
        return None
    if unknown := [other for other in others if other != "--rp_debugger"]:
        hint = "" if unknown[0].startswith("-") else f"; to speak it: speak {unknown[0]!r}"
        parser.error(f"{unknown[0]!r} is not an argument{hint}")
    return LocalJob(_job(asked.test_input), asked.rp_log_level)


def _job(given: str | None) -> Mapping[str, Any]:
    name, text = "--test_input", given or ""
    if not text:
        name = str(_FILE)
        try:
            text = _FILE.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            _end(f"There is no job: give one with --test_input '{_EXAMPLE}', or put {_FILE} here; or speak \"some text\".")
        except (OSError, UnicodeDecodeError) as error:
            _end(f"{_FILE} cannot be read ({getattr(error, 'strerror', None) or 'it is not UTF-8'}).")
    try:
        job = json.loads(text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text.strip() else ""
        before, after = text[max(0, error.pos - _NEAR) : error.pos], text[error.pos : error.pos + _NEAR]
        shown = " ".join(f"{before}>>>{after}".split("\n"))
        place = f"{error.msg.removesuffix(' at')} at {line}character {error.colno}, here: {shown}"
        _end(f"{name} is not JSON: {place}{_quotes(text)}")
    except RecursionError:
        _end(f"{name} is nested too deeply to be a job.")
    if not isinstance(job, dict) or job.get("input") is None:
        _end(f'{name} has no "input"; a job looks like {_EXAMPLE}')
    return job


def _quotes(text: str) -> str:
    return "" if '"' in text else "; names and strings need double quotes, and the whole job single quotes for the shell"


def _speak(arguments: Sequence[str], environment: Mapping[str, str]) -> Speak:
    parser = _Parser("./start.sh speak", "Speak a text into a file. The last line of the output is the file's path.")
    add = parser.add_argument
    add("text", nargs="+", metavar="TEXT", help="what to speak; - reads standard input")
    add(
        "--voice",
        metavar="FILE|NAME|URL",
        help="a recording, here or on the web, or a stored voice (S3); default: built in",
    )
    add("--ref-text", "--ref_text", metavar="TEXT", help="what the recording says; without it Whisper transcribes")
    add("--format", type=str.lower, choices=list(FORMATS), help="default: the extension of --out, else wav")
    add("--out", type=Path, metavar="FILE", help="where to write it; default: a new file in output/")
    add("--play", action="store_true", help="play it, too")
    add("--speed", type=float, help="0.25 to 4; default 1")
    add("--seed", type=int, help="the same seed speaks the same way; default: random")
    add("--nfe-step", "--nfe_step", type=int, metavar="N", help="1 to 64, default 32; fewer are faster and sound worse")
    asked = parser.parse_args(arguments)
    text = " ".join(asked.text)
    if not text.strip():
        parser.error("TEXT is empty")
    ending = asked.out.suffix.lower().removeprefix(".") if asked.out else ""
    chosen = asked.format or (ending if ending in FORMATS else "wav")
    fields = {"output_format": chosen, "ref_text": asked.ref_text, "speed": asked.speed, "seed": asked.seed}
    fields |= {"nfe_step": asked.nfe_step}
    voice = _file(asked.voice)
    if voice is None:
        fields["local_voice"] = asked.voice
    if asked.out and asked.out.is_dir():
        parser.error(f"--out {asked.out} is a folder; name a file in it")
    player = find_player(chosen) if asked.play else None
    if asked.play and player is None:
        _end(f"Nothing here plays {chosen}: install ffmpeg (ffplay) or mpv, or leave --play out.")
    verbose = bool(environment.get("RUNPOD_LOG_LEVEL") or environment.get("RUNPOD_DEBUG_LEVEL"))
    fields = {name: value for name, value in fields.items() if value is not None}
    return Speak(text, fields, voice, asked.out, player, verbose)


def _serve(arguments: Sequence[str]) -> Serve:
    parser = _Parser(
        "./start.sh serve",
        "Serve HTTP: a page at /, OpenAI's POST /v1/audio/speech, POST /tts with the fields of a job, and /docs. "
        "Load-balancing endpoints start with it, too.",
    )
    parser.add_argument("--host", help="the address to listen on; default: 127.0.0.1, on RunPod 0.0.0.0")
    parser.add_argument("--port", type=_port, help="default: PORT, else 8000, on RunPod 80")
    asked = parser.parse_args(arguments)
    return Serve(asked.host, asked.port)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65_536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; use 1 to 65535")


def _file(voice: str | None) -> Path | None:
    """The recording on this machine, if ``--voice`` names one."""
    if voice is None or "://" in voice:
        return None
    path = Path(voice).expanduser()
    if path.is_dir() or (not path.exists() and os.sep in voice):
        _end(f"--voice {voice}: {'that is a folder' if path.is_dir() else 'there is no such file'}.")
    return path if path.exists() else None


class _Parser(argparse.ArgumentParser):
    def __init__(self, prog: str, description: str, usage: str | None = None) -> None:
        super().__init__(prog, usage, description, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help says what there is).\n")


def _end(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(1)
