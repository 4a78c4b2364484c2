"""The GPU: whether this machine has one, and from torch's errors while a model runs to ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from f5_worker.errors import CudaBrokenError, SynthesisError

NVIDIA_DRIVER = Path("/proc/driver/nvidia")
"""There where the kernel has NVIDIA's driver: asking torch would import it."""


@contextmanager
def gpu_faults(torch: Any, doing: str, mend: str) -> Iterator[None]:
    """Name what was done ("for one chunk") and the mend when memory runs out; what was cached is given back then.

    Raises:
        SynthesisError: GPU memory ran out.
        CudaBrokenError: the CUDA context cannot be used any more.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise SynthesisError(f"GPU memory ran out {doing}; {mend}") from error
    except torch.AcceleratorError as error:
        raise CudaBrokenError(
            f"The GPU failed {doing} and this worker cannot use it any more; a new worker takes over, so send the job again."
        ) from error
