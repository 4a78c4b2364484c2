"""Which configuration of f5-tts a checkpoint was trained with, as far as its name and its tensors tell.

Versions 0 and 1 of one size have the same tensors: one loads under the other's configuration and speaks otherwise than trained
(``text_mask_padding``, ``pe_attn_head``). What is sure is taken; what is not is said (``doubt``).
"""

import re
from pathlib import Path
from zipfile import BadZipFile, ZipFile

# The depths of f5-tts's configurations, by the names of a backbone's blocks.
_DEPTHS = (
    (re.compile(rb"transformer_blocks\.([0-9]+)\."), {21: "F5TTS{}_Base", 17: "F5TTS{}_Small"}),
    (re.compile(rb"transformer\.layers\.([0-9]+)\."), {23: "E2TTS_Base", 19: "E2TTS_Small"}),
)
_NAME = re.compile(r"(f5tts(?=v1|base|small)|e2tts(?!v1))(v1)?(base|small)")
_BEFORE_V1 = b"mel_spec.mel_stft"  # buffers that f5-tts wrote until November 2024; v1 came in March 2025
_MAX_NAMES = 64 * 1024 * 1024


def named(source: str) -> str | None:
    """The configuration whose name stands in the path ``source``, however it is spelt; its last part counts first."""
    for part in reversed(source.split("/")):
        if (found := _NAME.search(re.sub(r"[^a-z0-9]", "", part.lower()))) is not None:
            return f"{found[1].upper()}{'_v1' if found[2] else ''}_{found[3].title()}"
    return None


def by_tensors(checkpoint: Path) -> tuple[str | None, bool]:
    """The configuration that the tensors' names fit (v1 of several), and whether they are of before v1; reads no weights."""
    names = _names(checkpoint)
    version = "" if _BEFORE_V1 in names else "_v1"
    for block, configurations in _DEPTHS:
        if found := block.findall(names):
            name = configurations.get(max(map(int, found)))
            return name and name.format(version), not version
    return None, not version


def doubt(what: str, taken: str, *, before_v1: bool) -> str | None:
    """The warning for a checkpoint that does not say its configuration; ``what`` begins it ("hf://a/b does not say ...")."""
    if before_v1:
        return f"{what}; the checkpoint is of before v1, so it was taken for {taken}."
    if taken.startswith("E2TTS"):
        return None  # it has one version only
    if "_v1" not in taken:
        return f"{what}; the configuration of the image's own model was taken, which may be another."
    other = taken.replace("_v1", "")
    return (
        f"{what}; the checkpoint was taken for {taken}. If it was trained as {other}, as most of before March 2025 were, it "
        f"loads all the same, but speaks otherwise than trained: then set F5TTS_MODEL={other}, with F5TTS_CKPT_FILE and "
        "F5TTS_VOCAB_FILE."
    )


def _names(checkpoint: Path) -> bytes:
    """The bytes that hold the names of the tensors: the header of a safetensors file, the pickle inside a torch file."""
    if checkpoint.suffix == ".safetensors":
        with checkpoint.open("rb") as file:
            return file.read(min(8 + int.from_bytes(file.read(8), "little"), _MAX_NAMES))
    try:
        with ZipFile(checkpoint) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(pickles[0]) as file:
                return file.read(_MAX_NAMES)
    except (BadZipFile, IndexError):
        return b""  # an old torch file, or none: its load says which
