"""What a file is by its first bytes: which reader it needs, or what it is instead of audio."""

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
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"\x00\x00\x01\xba", "an MPEG video"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"MThd", "a MIDI file, which holds notes"),
    (0, b"\x7fELF", "a program"),
)
_TEXTS: tuple[tuple[str, str], ...] = (
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<svg", "an SVG image"),
    ("<?xml", "an XML document"),
    ("{", "a JSON document"),
    ("version https://git-lfs", "a Git LFS pointer, which stands for the file"),
    ("#extm3u", "a playlist"),
)
# (offset, bytes, FFmpeg demuxer). The demuxer is forced, so that no playlist or script format is ever opened.
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
        return None
    if any(text.startswith("<?xml") and tag in text for tag in ("<!doctype html", "<html")):
        return "an HTML page"
    return next((name for start, name in _TEXTS if text.startswith(start)), "a text")


def container_of(data: bytes) -> str | None:
    """The FFmpeg demuxer that ``data`` needs, or ``None`` where libsndfile is the reader.

    mp3 belongs to libsndfile only with a Xing or Info header: without one it reads as much as the first frame's bit rate
    suggests, which can be a fifth of the file.
    """
    start = _id3_size(data)
    for offset, magic, demuxer in _CONTAINERS:
        if data.startswith(magic, start + offset):
            return demuxer
    head = data[start : start + 512]
    mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 in (0x02, 0x04)  # layer III or II
    return "mp3" if mpeg and b"Xing" not in head and b"Info" not in head else None


def _id3_size(data: bytes) -> int:
    """The length of the ID3 tag (titles, cover art) before the audio; 0 without one."""
    if not data.startswith(b"ID3"):
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))


def fraction_present(data: bytes) -> float:
    """How much of the sound that a WAV or AIFF header announces is there: 1.0 whole, 0.5 cut in half.

    libsndfile reads a cut file as a shorter one. Programs that write to a pipe do not know the length and announce 0, or close
    to 2 or 4 GiB: those count as whole.
    """
    if data.startswith((b"RIFF", b"FORM")):
        byte_order, wanted = ("little", b"data") if data.startswith(b"RIFF") else ("big", b"SSND")
        position = 12
        while position + 8 <= len(data):
            size = int.from_bytes(data[position + 4 : position + 8], byte_order)  # type: ignore[arg-type]
            if data[position : position + 4] == wanted:
                present = len(data) - position - 8
                return 1.0 if size == 0 or size >= 0x7FFF0000 else min(1.0, present / size)
            position += 8 + size + size % 2
    return 1.0
