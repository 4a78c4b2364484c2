"""The network volume: whether there is one, and whether it answers."""

from bootstrap.door import Verdict
from bootstrap.places import door
from f5_worker.settings import Settings


def look(settings: Settings) -> Verdict:
    """What a child process has found there: a volume whose server is gone would hold this one for ever."""
    return door(settings.network_volume).look()


def has_volume(settings: Settings) -> bool:
    """Whether a network volume is there and answers. RunPod's default folder counts only where something is mounted: it may be
    there for the model cache alone, and what is written beside that is lost with the worker.
    """
    verdict = look(settings)
    there = verdict.mounted or (verdict.folder and settings.network_volume != Settings().network_volume)
    return there and verdict.trouble is None
