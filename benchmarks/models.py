"""The models that are measured: as large as the real ones, with random weights, made once and kept."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from tests import REPOSITORY

Size = Literal["full", "smoke"]
FULL_CONFIG = "F5TTS_v1_Base"


def model_folder(size: Size, cache: Path) -> Path:
    """The model folder of this size, made by a process of its own where it is not there yet."""
    folder = cache / size
    if not (folder / "model.safetensors").is_file():
        print(f"Making the {size} model, once", file=sys.stderr)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as part:
            target = Path(part) / size
            subprocess.run([sys.executable, "-m", "benchmarks.models", size, str(target)], cwd=REPOSITORY, check=True)
            target.rename(folder)
    return folder


def weight_files(folder: Path) -> tuple[Path, Path]:
    """The files that hold a model folder's weights."""
    return folder / "model.safetensors", folder / "vocos" / "pytorch_model.bin"


def forget_cached_pages(folder: Path) -> None:
    """Drop the weights from the page cache, so that the next process reads them from the disk."""
    for path in weight_files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # pages that still wait to be written stay
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _make(size: str, folder: Path) -> None:
    from f5_worker.model.files import load_config, official_configs
    from f5_worker.model.smoke import make_model_folder, vocoder_config

    if size == "smoke":
        make_model_folder(folder)
    else:
        config = {"model": dict(load_config(official_configs()[FULL_CONFIG]))}
        # The size of charactr/vocos-mel-24khz, the vocoder of all published F5-TTS models.
        make_model_folder(folder, config, vocoder_config(dim=512, intermediate_dim=1536, num_layers=8))


if __name__ == "__main__":
    _make(sys.argv[1], Path(sys.argv[2]))
