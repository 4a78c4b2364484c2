"""What was worked out for earlier jobs: processed references, and what Whisper heard in them."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from f5_worker.audio.samples import Samples
from f5_worker.settings import Settings
from f5_worker.voice.clip import read_reference
from f5_worker.voice.reference import Reference, VoiceFile
from f5_worker.voice.transcript import finish_ref_text

K = TypeVar("K")
T = TypeVar("T")


class ReferenceCache:
    """Processed references and automatic transcripts of the last ``max_items`` clips, by content. Thread-safe."""

    def __init__(self, max_items: int) -> None:
        self._references: _Lru[tuple[str, str | None], Reference] = _Lru(max_items)
        self._transcripts: _Lru[str, str] = _Lru(max_items)

    def read(self, file: VoiceFile, settings: Settings) -> Reference:
        """``read_reference``, or its earlier result for the same bytes and transcript under whatever label."""
        key = (file.content_id, file.ref_text)
        reference = self._references.get(key)
        if reference is None:
            reference = read_reference(file, settings)
            self._references.put(key, reference)
        return replace(reference, voice=file.label)

    def lacks_transcript(self, reference: Reference) -> bool:
        """Whether ``with_transcript`` would have to transcribe."""
        return reference.ref_text is None and self._transcripts.get(reference.content_id) is None

    def with_transcript(self, reference: Reference, transcribe: Callable[[Samples], str]) -> Reference:
        """``reference`` with its transcript, else that of the same file, else what ``transcribe(reference.samples)`` hears."""
        if reference.ref_text is not None:
            return reference
        text = self._transcripts.get(reference.content_id)
        if text is None:
            text = finish_ref_text(transcribe(reference.samples))
            self._transcripts.put(reference.content_id, text)
        return replace(reference, ref_text=text)


class _Lru(Generic[K, T]):
    """A bounded map that forgets what was used longest ago. Two threads that miss at once both do the work."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: OrderedDict[K, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> T | None:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: K, value: T) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._max_items:
                self._items.popitem(last=False)
