"""The teacher: a voice of CMU Flite (Debian's libflite1), whose own times of phones and words are known."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from f5_worker.audio.samples import Samples

RATE = 16_000
_PHONES = "pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh"
PHONES = tuple(_PHONES.split())

# Of a token: in its first word the first syllable's first phone, and likewise the last.
_FIRST_PHONE = b"daughter1.R:SylStructure.daughter1.daughter1.R:Segment"
_LAST_PHONE = b"daughtern.R:SylStructure.daughtern.daughtern.R:Segment"
_pointer = ctypes.c_void_p


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("rate", ctypes.c_int),
        ("count", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


@dataclass(frozen=True, slots=True)
class Phone:
    """One of ``PHONES``, the second at which it ends, and whether its syllable is stressed."""

    name: str
    end: float
    stressed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What Flite said: samples [n] at ``RATE``, its phones, and the seconds at which each word begins and ends."""

    samples: Samples
    phones: tuple[Phone, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]


class Flite:
    """One voice of libflite."""

    def __init__(self, voice: str) -> None:
        """Raises OSError where Debian's libflite1 is not installed."""
        self._lib = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("libflite_usenglish.so.1", "libflite_cmulex.so.1"):
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        voices = ctypes.CDLL(f"libflite_cmu_us_{voice}.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("flite_synth_text", "utt_relation", "relation_head", "item_next"):
            getattr(self._lib, name).restype = _pointer
        self._lib.utt_wave.restype = ctypes.POINTER(_Wave)
        self._lib.ffeature_string.restype = ctypes.c_char_p
        self._lib.ffeature_float.restype = ctypes.c_float
        self._lib.flite_init()
        register = getattr(voices, f"register_cmu_us_{voice}")
        register.restype = _pointer
        self._voice = _pointer(register(None))

    def speak(self, text: str) -> Said | None:
        """``text`` spoken; ``None`` where Flite counts other words than there are between spaces."""
        utterance = _pointer(self._lib.flite_synth_text(text.encode(), self._voice))
        phones = tuple(
            Phone(
                self._text(item, b"name"),
                self._number(item, b"end"),
                self._text(item, b"R:SylStructure.parent.stress") == "1",
            )
            for item in self._items(utterance, b"Segment")
        )
        tokens = list(self._items(utterance, b"Token"))
        said = [token for token in tokens if self._text(token, b"daughter1.name") != "0"]
        starts = tuple(self._number(token, _FIRST_PHONE + b".p.end") for token in said)
        ends = tuple(self._number(token, _LAST_PHONE + b".end") for token in said)
        wave = self._lib.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(wave.samples, (wave.count,)).astype(np.float32) / np.float32(32768)
        self._lib.delete_utterance(utterance)
        words = len(text.split())
        if len(tokens) != words or len(starts) != words or any(b <= a for a, b in pairwise(starts)):
            return None
        return Said(samples, phones, starts, ends)

    def _items(self, utterance: Any, relation: bytes) -> Iterator[Any]:
        item = self._lib.relation_head(_pointer(self._lib.utt_relation(utterance, relation)))
        while item:
            yield _pointer(item)
            item = self._lib.item_next(_pointer(item))

    def _text(self, item: Any, path: bytes) -> str:
        return str(self._lib.ffeature_string(item, path).decode())

    def _number(self, item: Any, path: bytes) -> float:
        return float(self._lib.ffeature_float(item, path))


@cache
def teacher() -> Flite:
    """The voice that the demo model learns: slt, free for any use with its notices kept."""
    return Flite("slt")
