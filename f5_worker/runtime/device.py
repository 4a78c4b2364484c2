"""The device that networks run on: which one, in which precision, and what its failures mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from f5_worker.errors import CudaBrokenError, ModelUnavailableError, SynthesisError
from f5_worker.settings import Settings

NVIDIA_DRIVER = Path("/proc/driver/nvidia")
"""There where the kernel has NVIDIA's driver, which can be asked without importing torch."""

# What cuBLAS, cuDNN and the driver raise is a plain RuntimeError; with memory that they found no room for, the context is well.
_BROKEN = ("cuda error", "cuda driver error", "cublas_status", "cudnn_status", "cufft_", "nccl error", "device-side assert")
_FULL = ("out of memory", "cublas_status_alloc_failed", "cudnn_status_alloc_failed")
_NO_GPU = ("no nvidia driver", "no cuda gpus", "not compiled with cuda")


def pick_device(settings: Settings) -> str:
    """``cuda`` where there is a GPU that works, ``cpu`` where there is no GPU.

    Raises:
        ModelUnavailableError: the settings demand a GPU, but the machine has none.
        RuntimeError: torch's own, when a GPU is there and cannot be used.
    """
    if settings.device == "cpu":
        return "cpu"
    import torch

    cuda: Any = torch.cuda  # parts of it have no types
    try:
        cuda.init()
    except (RuntimeError, AssertionError) as error:
        if not any(marker in str(error).lower() for marker in _NO_GPU):
            raise
        if settings.device == "cuda":
            raise ModelUnavailableError(
                "F5TTS_DEVICE=cuda, but this worker has no GPU; choose an endpoint with GPUs, or F5TTS_DEVICE=auto."
            ) from error
        return "cpu"
    return "cuda"


def half_precision(device: str) -> bool:
    """Whether networks run in fp16 there: on GPUs from compute capability 7.0 on, as in F5-TTS."""
    import torch

    return device.startswith("cuda") and torch.cuda.get_device_properties(device).major >= 7


@contextmanager
def gpu_faults(doing: str, fix: str) -> Iterator[None]:
    """Name what was done ("for one chunk") and the fix when memory runs out; what was cached is given back then.

    Raises:
        SynthesisError: GPU memory ran out.
        CudaBrokenError: the CUDA context cannot be used any more.
    """
    import torch

    try:
        yield
    except RuntimeError as error:
        if memory_is_full(error):
            torch.cuda.empty_cache()
            raise SynthesisError(f"GPU memory ran out {doing}; {fix}") from error
        if not isinstance(error, torch.AcceleratorError) and not any(marker in str(error).lower() for marker in _BROKEN):
            raise
        raise CudaBrokenError(
            f"The GPU failed {doing} and this worker cannot use it any more; a new worker takes over, so send the job again."
        ) from error


def memory_is_full(error: RuntimeError) -> bool:
    """Whether torch, or a library below it, found no room on the GPU; what is smaller may fit."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(marker in str(error).lower() for marker in _FULL)
