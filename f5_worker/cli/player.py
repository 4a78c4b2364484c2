"""What plays sound on this machine."""

import shutil
from collections.abc import Collection, Sequence

from f5_worker.formats import FORMATS

_PLAYERS: Sequence[tuple[Sequence[str], Collection[str]]] = (
    (("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"), FORMATS),
    (("mpv", "--no-video", "--really-quiet"), FORMATS),
    (("afplay",), ("wav", "flac", "mp3")),
    (("pw-play",), ("wav", "flac", "ogg")),
    (("paplay",), ("wav", "flac", "ogg")),
    (("play", "-q"), ("wav", "flac")),
    (("aplay", "-q"), ("wav",)),
)
"""Commands that take a file, and the formats that each reads wherever it is installed."""


def find_player(audio_format: str) -> Sequence[str] | None:
    """The first command here that plays such a file; ``None`` where there is none."""
    return next((player for player, reads in _PLAYERS if audio_format in reads and shutil.which(player[0])), None)
