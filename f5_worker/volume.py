"""The network volume: whether there is one."""

from f5_worker.settings import Settings


def has_volume(settings: Settings) -> bool:
    """Whether a network volume is there. RunPod's default folder counts only where something is mounted: it may also be there
    for the model cache alone, and what is written beside that is lost with the worker.
    """
    volume = settings.network_volume
    return volume.is_mount() or (volume.is_dir() and volume != Settings().network_volume)
