"""What a file is by its first bytes: which reader it needs, or what it is instead of audio."""

from typing import Literal

HTML_PAGE = "an HTML page"

# (offset, bytes, name): what people send by mistake. Checked in order.
_NOT_AUDIO: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (4, b"ftypheic", "a HEIC image"),
    (4, b"ftypmif1", "a HEIF image"),
    (4, b"ftypavif", "an AVIF image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"MThd", "a MIDI file, which holds notes"),
    (0, b"\x7fELF", "a program"),
)
_TEXTS: tuple[tuple[str, str], ...] = (
    ("<!doctype html", HTML_PAGE),
    ("<html", HTML_PAGE),
    ("<svg", "an SVG image"),
    ("<?xml", "an XML document"),
    ("{", "a JSON document"),
    ("version https://git-lfs", "a Git LFS pointer, which stands for the file"),
    ("#extm3u", "a playlist"),
)
DEMUXERS = (
    *("aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "eac3", "flac", "flv", "loas", "matroska"),
    *("mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "ogg", "rm", "tta", "voc", "w64", "wav", "wv"),
)
"""FFmpeg's demuxers that may open a clip: none that follows a playlist, a script or a file name."""

# (offset, bytes, FFmpeg demuxer) of what libsndfile does not read.
_CONTAINERS: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (0, b"#!AMR", "amr"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
)
_CONTROL = frozenset(range(32)) - set(b"\t\n\r\f")


def name_if_not_audio(data: bytes) -> str | None:
    """What ``data`` is when it is a well-known file that holds no sound ("a PNG image"), else ``None``."""
    for offset, magic, name in _NOT_AUDIO:
        if data.startswith(magic, offset):
            return name
    head = data[:1024]
    if not head or _CONTROL.intersection(head):
        return None
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(data) <= len(head) else "ignore").lstrip().lower()
    except UnicodeDecodeError:
        text = ""
    page = text or head.decode("latin-1").lstrip().lower()
    if page.startswith("<") and any(tag in page for tag in ("<!doctype html", "<html", "<head", "<body", "<script", "<meta")):
        return HTML_PAGE
    if not text:
        return None
    return next((name for start, name in _TEXTS if text.startswith(start)), "a text")


def container_of(data: bytes) -> str | None:
    """The FFmpeg demuxer that ``data`` needs, or ``None`` where libsndfile is the reader.

    mp3 belongs to libsndfile only with a Xing or Info header that counts the frames: without one it reads as much as the first
    frame's bit rate suggests, which can be a fifth of the file.
    """
    start = _id3_size(data)
    for offset, magic, demuxer in _CONTAINERS:
        if data.startswith(magic, start + offset):
            return demuxer
    head = data[start : start + 512]
    mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 in (0x02, 0x04)  # layer III or II
    return "mp3" if mpeg and not _counts_frames(head) else None


def _counts_frames(head: bytes) -> bool:
    at = max(head.find(b"Xing"), head.find(b"Info"))
    return at >= 0 and int.from_bytes(head[at + 4 : at + 8], "big") & 1 == 1 and any(head[at + 8 : at + 12])


def _id3_size(data: bytes) -> int:
    """The length of the ID3 tag (titles, cover art) before the audio; 0 without one."""
    if not data.startswith(b"ID3"):
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))


def fraction_present(data: bytes) -> float:
    """How much of the sound that the header of a WAV, AIFF or CAF file announces is there: 1.0 whole, 0.5 cut in half.

    Readers take a cut file for a shorter one. Programs that write to a pipe do not know the length and announce close to 2
    or 4 GiB: those count as whole.
    """
    if (chunk := _sound_chunk(data)) is None:
        return 1.0
    position, size, _ = chunk
    return 1.0 if size == 0 or size >= 0x7FFF0000 else min(1.0, (len(data) - position) / size)


def with_known_length(data: bytes) -> bytes:
    """``data``, with the length of its sound where a WAV file's writer left it at 0: libsndfile would read nothing."""
    chunk = _sound_chunk(data)
    if chunk is None or not data.startswith(b"RIFF") or chunk[1] or len(data) == chunk[0]:
        return data
    position, _, byte_order = chunk
    sizes = [size.to_bytes(4, byte_order) for size in (len(data) - 8, len(data) - position)]
    return data[:4] + sizes[0] + data[8 : position - 4] + sizes[1] + data[position:]


def _sound_chunk(data: bytes) -> "tuple[int, int, Literal['little', 'big']] | None":
    """Where the samples of a WAV, AIFF or CAF file start, the size announced for them in bytes, and the byte order."""
    if not data.startswith((b"RIFF", b"FORM", b"caff")):
        return None
    byte_order: Literal["little", "big"] = "little" if data.startswith(b"RIFF") else "big"
    position, width, even = (8, 8, 1) if data.startswith(b"caff") else (12, 4, 2)
    while position + 4 + width <= len(data):
        size = int.from_bytes(data[position + 4 : position + 4 + width], byte_order)
        start = position + 4 + width
        if data[position : position + 4] in (b"data", b"SSND"):
            return start, size, byte_order
        position = start + size + size % even
    return None
