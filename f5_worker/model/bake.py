"""Puts the configured model into the image as a model folder: ``python -m f5_worker.model.bake FOLDER`` (Dockerfile.runpod).

start.sh sets ``F5TTS_MODEL`` to that folder where the user has set none.
"""

import os
import shutil
import sys
from dataclasses import fields, replace
from pathlib import Path

from f5_worker.model.files import PICKLED_CHECKPOINT, ModelFiles, locate_model
from f5_worker.settings import load_settings


def bake_model(folder: Path) -> None:
    """Find or download the model that the settings name, and lay it out as a model folder.

    Raises:
        ModelUnavailableError, SettingsError: as ``locate_model`` and ``load_settings`` do.
    """
    files = locate_model(load_settings(os.environ))
    layout = ModelFiles.in_folder(files.name, folder)
    if files.checkpoint.suffix != ".safetensors":
        layout = replace(layout, checkpoint=folder / PICKLED_CHECKPOINT)
    for part in fields(ModelFiles):
        if part.type is Path:
            target: Path = getattr(layout, part.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(getattr(files, part.name), target)


if __name__ == "__main__":
    bake_model(Path(sys.argv[1]))
