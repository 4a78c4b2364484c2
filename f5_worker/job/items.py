"""The ``items`` of a job: several texts, each with fields of its own over the job's, and each right or wrong by itself."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard

from f5_worker.errors import InputError
from f5_worker.formats import ANY_RATE
from f5_worker.job.forms import present
from f5_worker.job.problems import Problem, input_error
from f5_worker.settings import Settings
from f5_worker.text.clean import in_one_line

if TYPE_CHECKING:
    from f5_worker.job.request import TtsRequest

FIELD = "items"
MAX_ID_CHARS = 100
_ID_ALLOWED = f"a string of 1 to {MAX_ID_CHARS} characters or a whole number, another for each item"
_CLIPS = ("local_voice", "ref_audio_base64")
_ANY_TEXT = "a"  # the fields that the items share are checked without theirs

Check: TypeAlias = "Callable[[Mapping[Any, Any]], TtsRequest | list[Problem]]"
ItemId: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Item:
    """One of ``items``, or why it cannot be one. ``id`` is the caller's, else its index."""

    id: ItemId
    request: "TtsRequest | InputError"


@dataclass(frozen=True, slots=True)
class ItemsRequest:
    """Speech of several texts."""

    items: tuple[Item, ...]
    endpoint: Literal["items"] = "items"


def checked_items(
    raw: Mapping[Any, Any], check_shared: Check, check: Check, settings: Settings
) -> ItemsRequest | list[Problem]:
    """``raw`` with its ``items``, of which each is checked for itself; or all that is wrong with the job as a whole.

    ``check_shared`` checks the fields that the items share, ``check`` those of one.
    """
    sent, shared = raw[FIELD], {name: value for name, value in raw.items() if name != FIELD}
    if problem := _wrong_as_a_list(sent, shared, settings):
        return [problem]
    if isinstance(wrong := check_shared({**shared, "text": _ANY_TEXT}), list):
        return wrong
    items: list[Item] = []
    for index, own in enumerate(sent):
        items.append(_item(index, own, shared, {item.id for item in items}, check))
    count = sum(len(in_one_line(item.request.text)) for item in items if not isinstance(item.request, InputError))
    if count > (limit := settings.max_text_chars):
        allowed = f"items of {limit:,} characters in all"
        return [Problem(FIELD, f"{FIELD} have {count:,} characters of text in all; send {allowed}.", None, allowed)]
    return ItemsRequest(tuple(items))


def _wrong_as_a_list(sent: object, shared: Mapping[Any, Any], settings: Settings) -> Problem | None:
    allowed = f'a list of 1 to {settings.max_items} items, like {{"id": "a", "text": "Hello."}}'
    if "text" in shared:
        either = f"one of text and {FIELD}"
        return Problem(FIELD, f"text and {FIELD} cannot be sent together; send one of them.", None, either)
    if not isinstance(sent, list | tuple):
        return Problem.of_value(FIELD, "is not a list", sent, allowed)
    if not 0 < len(sent) <= settings.max_items:
        return Problem.of_value(FIELD, "is too long" if sent else "is empty", sent, allowed)
    return None


def _item(index: int, own: object, shared: Mapping[Any, Any], taken: Collection[ItemId], check: Check) -> Item:
    if not isinstance(own, Mapping):
        problem = Problem.of_value(f"{FIELD}[{index}]", "is not an object", own, 'one like {"id": "a", "text": "Hello."}')
        return Item(index, input_error([problem]))
    fields = present(own)
    name, problems = fields.pop("id", index), list[Problem]()
    if not _is_id(name):
        problems, name = [Problem.of_value("id", "is not an id", name, _ID_ALLOWED)], index
    elif name in taken:
        problems = [Problem.of_value("id", "is the id of an earlier item too", name, _ID_ALLOWED)]
    request = check({**_inherited(shared, fields), **fields})
    if isinstance(request, list) or problems:
        return Item(name, input_error([*problems, *(request if isinstance(request, list) else [])]))
    if request.voices and "voices" not in fields:
        speaking = request.script.speakers
        voices = {voice: about for voice, about in request.voices.items() if voice in speaking}
        request = request.model_copy(update={"voices": voices})
    return Item(name, request)


def _is_id(value: object) -> TypeGuard[ItemId]:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_ID_CHARS and value.isprintable()
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 64


def _inherited(shared: Mapping[Any, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """The job's fields that hold for an item: a clip of its own comes with a transcript of its own, a format with its rate."""
    replaced: set[str] = set()
    if own.keys() & _CLIPS:
        replaced |= {*_CLIPS, "ref_text"}
    if "output_format" in own and str(own["output_format"]).lower() not in ANY_RATE:
        replaced.add("sample_rate")
    return {name: value for name, value in shared.items() if name not in replaced}
