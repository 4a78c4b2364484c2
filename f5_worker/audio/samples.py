"""Sound in memory: the names of its types, for annotations. They need no numpy."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.float32]"
"""Mono samples [n] unless the place says otherwise."""

Span: TypeAlias = tuple[int, int]
"""Where something starts and ends in samples; the end is the first one after it."""
