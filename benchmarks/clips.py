"""The clips in the README's table: the text of a row, spoken by the demo model through the worker into the row's file."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import handler
from f5_worker.resources import Resources
from tests import REPOSITORY

SEED = 3


def clips() -> Iterator[tuple[str, str]]:
    """Text and path of each clip."""
    yield from re.findall(
        r"^\| (.+) \| \[\w+\]\((docs/audio/\S+)\) \|$", (REPOSITORY / "README.md").read_text("utf-8"), re.MULTILINE
    )


def main(folder: Path = REPOSITORY, model: str = "demo") -> None:
    """Write them under ``folder``.

    Raises:
        RuntimeError: the worker failed.
    """
    handler.resources = Resources({"F5TTS_MODEL": model, "F5TTS_DEVICE": "cpu"})
    for text, name in clips():
        path, seconds, error = handler.generate_tts_audio(text, seed=SEED, output_format=Path(name).suffix[1:])
        if path is None:
            raise RuntimeError(error)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, folder / name)
        Path(path).parent.rmdir()
        sys.stdout.write(f"{name}: {seconds:.1f} s\n")


if __name__ == "__main__":
    main()
