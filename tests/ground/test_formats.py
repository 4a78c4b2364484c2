"""The tables of formats: the request offers what they hold, and what is written can be stored as a voice."""

from typing import get_args

from f5_worker import formats
from f5_worker.formats import CONTENT_TYPES, FORMAT_ALIASES, FORMATS, VOICE_CONTENT_TYPES


def test_a_request_offers_what_the_tables_hold() -> None:
    assert get_args(formats.OutputFormat) == tuple(FORMATS)
    assert get_args(formats.ResultFormat) == (*FORMATS, *CONTENT_TYPES["timing"])


def test_names_are_the_extensions_and_no_two_kinds_share_one() -> None:
    assert all(name == form.extension == name.lower() for name, form in FORMATS.items())
    assert not CONTENT_TYPES["audio"].keys() & CONTENT_TYPES["timing"].keys()


def test_a_result_can_become_a_voice_and_is_served_alike() -> None:
    readable = {name: form.content_type for name, form in FORMATS.items() if form.has_header}
    assert readable.items() <= VOICE_CONTENT_TYPES.items()
    assert not (FORMATS.keys() - readable.keys()) & VOICE_CONTENT_TYPES.keys()


def test_other_names_stand_for_a_format_and_are_none() -> None:
    assert set(FORMAT_ALIASES.values()) <= FORMATS.keys()
    assert not FORMAT_ALIASES.keys() & FORMATS.keys()
