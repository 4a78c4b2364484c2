"""torch's large libraries, loaded without the GIL where they lie on a network volume.

Python holds the GIL while it imports an extension module. A page of a library that has to come from a volume that hangs would
stop every thread then, and no job would get an answer. So the pages are read ahead first (bootstrap/libraries.py), and the
libraries loaded by a foreign call, which gives the GIL up; torch's import finds them loaded.
"""

import ctypes
import os
import sys
from pathlib import Path

from bootstrap import libraries
from bootstrap.door import is_local
from bootstrap.places import door, volume_root
from f5_worker import log
from f5_worker.runtime.packages import package_folder
from f5_worker.volume import patiently, silent

_PACKAGES = "the packages for speech lie"
_CUDA = (
    *("cublas/lib/libcublasLt", "cublas/lib/libcublas", "cudnn/lib/libcudnn", "cuda_nvrtc/lib/libnvrtc"),
    *("cuda_nvrtc/lib/libnvrtc-builtins", "cuda_runtime/lib/libcudart", "cuda_cupti/lib/libcupti", "cufft/lib/libcufft"),
    *("curand/lib/libcurand", "nvjitlink/lib/libnvJitLink", "cusparse/lib/libcusparse", "cusparselt/lib/libcusparseLt"),
    *("cusolver/lib/libcusolver", "nccl/lib/libnccl", "nvshmem/lib/libnvshmem_host", "cufile/lib/libcufile"),
)
"""As torch's import names them, once more, when its own libraries have brought them: what is loaded under the very name it asks
for needs not be opened again, and each open asks the volume twice."""
_LOADED = (("libtorch_global_deps.so", os.RTLD_NOW | os.RTLD_GLOBAL), ("libtorch.so", os.RTLD_NOW))
"""As torch itself loads them: these bring all others of CUDA and torch, but none that needs Python."""


def make_ready() -> None:
    """Load torch's libraries, where the environment lies on a network volume, wholly or in its large files.

    Raises:
        VolumeSilentError: the volume does not answer.
        PackageMissingError: torch is not there.
    """
    hot = Path(sys.prefix, libraries.NOTE).is_file()
    if not hot and is_local(Path(sys.prefix)):
        return
    volume = volume_root(os.environ)
    if door(volume).look().trouble:
        raise silent(_PACKAGES)
    if hot:
        _read_ahead()
    patiently(_load, volume, _PACKAGES)


def _read_ahead() -> None:
    if (reading := libraries.reading) is None or reading.error is not None:
        libraries.begin()
        reading = libraries.reading
    if reading is None:
        return
    if not reading.wait_while_it_moves():
        raise silent(_PACKAGES)
    if reading.error is not None:
        log.warn(f"Reading ahead of torch's libraries failed: {reading.error.strerror}")


def _load() -> None:
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    torch = package_folder("torch")
    for name in _CUDA:
        for library in sorted(torch.parent.glob(f"nvidia/{name}.so.*[0-9]"))[:1]:
            dlopen(os.fsencode(library), os.RTLD_NOW)
    for name, flags in _LOADED:
        dlopen(os.fsencode(torch / "lib" / name), flags)  # what cannot be loaded says why in torch's import
