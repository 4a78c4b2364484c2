"""What is spelled rather than counted in English: addresses of the web, telephone numbers, versions, names with digits in them."""

import re
from collections.abc import Callable, Mapping

from f5_worker.text.capitals import acronym
from f5_worker.text.english_numbers import cardinal, decimal, digits, label, ordinal, roman
from f5_worker.text.rules import DASH, END, START, Rule, after, before, rule

_TOP = "com|org|net|edu|gov|mil|io|ai|dev|app|co|uk|de|fr|nl|eu|ca|au|jp|cn|ch|info|biz|tv|xyz|tech|online|store|shop|blog|news|site|cloud|page"
_FILES = "pdf|txt|docx?|xlsx?|pptx?|csv|json|xml|html?|css|jsx?|tsx?|py|rs|cpp|java|sh|exe|zip|tar|gz|png|jpe?g|gif|svg|mp[34]|wav|flac|ogg|md|ya?ml|toml|ini|log|sql"
_SPELLED = frozenset(
    "uk us eu ai io tv fr nl au jp cn ch ca html htm css js php asp xml pdf csv jpg png gif svg mp md py ts url www http https ftp id api faq".split()
)
_MARKS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "?": "question mark", "=": "equals",
    "&": "and", "#": "hash", "+": "plus", "%": "percent", "~": "tilde", "!": "exclamation mark", ",": "comma", "\\": "backslash",
}  # fmt: skip
_PARTS = re.compile(r"[A-Za-z]+|[0-9]+|.", re.DOTALL)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MONARCHS = (
    "Henry|Louis|Elizabeth|Charles|George|Edward|William|James|Richard|Mary|Philip|Philippe|Felipe|Francis|Frederick|Friedrich|Wilhelm|"
    "Leopold|Napoleon|Nicholas|Alexander|Peter|Catherine|Ivan|Ferdinand|Alfonso|Juan Carlos|Carlos|John Paul|Pius|Benedict|Gregory|Leo|"
    "Innocent|Clement|Urban|Paul|Ramses|Ramesses|Thutmose|Amenhotep|Ptolemy|Cleopatra|Xerxes|Darius|Gustav|Christian|Haakon|Harald|"
    "Margrethe|Baldwin|Otto|Rudolf|Joseph|Maximilian|Boniface|Stephen|Robert|Selim|Mehmed|Murad|Akhenaten|Constantine|Theodosius"
)
_PARTS_OF_WORKS = (
    "Chapter|Part|Act|Scene|Book|Volume|Vol\\.|Phase|Type|Section|Article|Appendix|Title|War|Bowl|Class|Stage|Level|Mark|Episode|Unit|"
    "Canto|Lesson|Figure|Table|Tier|Category|Group|Round|Grade|Schedule|Olympiad"
)
_LETTER_NAMES = re.compile(r"[aeiouy]")


def _part_of_address(number: str) -> str:
    round_or_year = number[0] != "0" and (number[-2:] == "00" or number[:2] in ("19", "20"))
    return label(number) if len(number) < 3 or (len(number) < 5 and round_or_year) else digits(number)


def _address(match: re.Match[str]) -> str | None:
    """A URL or an e-mail address: "example dot com slash page"; the scheme is not spoken."""
    written = match["it"]
    written = re.sub(r"^[a-z][a-z0-9+.-]*://", "", written, flags=re.IGNORECASE).rstrip("/")
    return spelled(written) if written else None


def spelled(written: str, marks: Mapping[str, str] = _MARKS, number: Callable[[str], str] = _part_of_address) -> str:
    """``written`` part by part, with its marks by name."""
    words = []
    for part in _PARTS.findall(written):
        if part.isascii() and part.isalpha():
            lower = part.lower()
            if len(lower) == 1 or lower in _SPELLED or not _LETTER_NAMES.search(lower):
                words.append(" ".join(part.upper()))
            else:
                words.append(_CAMEL.sub(" ", part) if not part.isupper() else lower)
        elif part.isdigit() and part.isascii():
            words.append(number(part))
        elif not part.isspace():
            words.append(marks.get(part, part))
    return " ".join(words)


def _handle(match: re.Match[str]) -> str:
    sign = "at" if match["sign"] == "@" else "hashtag"
    return f"{sign} {spelled(match['name'])}"


def _number_sign(match: re.Match[str]) -> str:
    number = match["n"]
    return "number " + (digits(number) if len(number) > 4 and "," not in number else decimal(number))


def _telephone(match: re.Match[str]) -> str | None:
    """Group by group, with a comma's pause between them."""
    written = match[0]
    groups = re.findall(r"[0-9]+", written)
    words = ["eight hundred" if group == "800" else digits(group) for group in groups]
    if written.startswith("+"):
        words[0] = f"plus {words[0]}"
    return ", ".join(words)


def _local_number(match: re.Match[str]) -> str | None:
    """ "555-1234"; but 500-1000 is a range unless a call is spoken of."""
    first, last = match["a"], match["b"]
    called = re.search(r"\b(?:call|phone|tel|dial|ring|text|number|fax|reach|contact)", before(match)[-60:], re.IGNORECASE)
    if first.endswith("0") and last.endswith("00") and int(first) < int(last) and not called:
        return None
    return f"{digits(first)}, {digits(last)}"


def _vanity(match: re.Match[str]) -> str:
    area = "eight hundred" if match["area"] == "800" else digits(match["area"])
    prefix = "one " if match["one"] else ""
    return f"{prefix}{area} {match['word'].lower().replace('-', ' ')}"


def _grouped(match: re.Match[str]) -> str | None:
    groups = re.findall(r"[0-9]+[Xx]?", match[0])
    if sum(map(len, groups)) < 9:
        return None
    return ", ".join(digits(group) + (" X" if group[-1] in "xX" else "") for group in groups)


def _version(match: re.Match[str]) -> str | None:
    parts = match["n"].split(".")
    if len(parts) > 2 and not match.groupdict().get("v") and all(len(part) == 3 for part in parts[1:]):
        return None  # thousands, as other countries write them
    words = " point ".join(cardinal(int(part)) if len(part) < 5 else digits(part) for part in parts)
    return f"version {words}" if match.groupdict().get("v") else words


def _internet_address(match: re.Match[str]) -> str:
    port = f" port {label(match['port'])}" if match["port"] else ""
    return " dot ".join(digits(part) for part in match["n"].split(".")) + port


def _coordinate(match: re.Match[str]) -> str:
    parts = [(match[unit], unit) for unit in ("degrees", "minutes", "seconds") if match[unit]]
    side = {"N": "north", "S": "south", "E": "east", "W": "west"}[match["to"]]
    return " ".join([*(f"{decimal(n)} {unit}" for n, unit in parts), side])


def _monarch(match: re.Match[str]) -> str | None:
    number = roman(match["it"])
    return f"the {ordinal(number)}" if number else None


def _numbered(match: re.Match[str]) -> str | None:
    number = roman(match["it"])
    return cardinal(number) if number else None


def _mixed(match: re.Match[str]) -> str | None:
    """Letters and digits in one word: "B two B", "COVID nineteen", "MP three", "three-year-old"."""
    words: list[str] = []
    joint, was_plain = "", False
    for part in re.findall(r"[A-Za-z]+|[0-9]+(?:\.[0-9]+)?|-", match[0]):
        if part == "-":
            joint = "-"
            continue
        plain = part.islower() and len(part) > 2
        if part[0].isdigit():
            spoken = decimal(part) if "." in part else label(part)
        elif len(part) == 1 or (len(part) < 4 and not _LETTER_NAMES.search(part)):
            spoken = part.upper()
        else:
            spoken = acronym(part)
        # "three-year-old" keeps its hyphens, "COVID-19" and "F-16" do not
        words.append(("-" if joint and (plain or was_plain) else " " if words else "") + spoken)
        joint, was_plain = "", plain
    return "".join(words)


NAMES: tuple[Rule, ...] = (
    rule(r"(?<![\w.+-])(?P<it>[\w.+%-]*\w@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,})(?!\w)", _address),
    rule(r"(?<!\w)(?P<it>(?:https?|ftp|wss?)://[^\s<>\"“”]*[\w/=~])", _address, re.IGNORECASE),
    rule(r"(?<![\w.@])(?P<it>www\.[^\s<>\"“”]*[\w/=~])", _address, re.IGNORECASE),
    rule(rf"(?<![\w.@/-])(?P<it>(?:[A-Za-z0-9-]+\.)+(?:{_TOP})(?:/[^\s<>\"“”]*[\w/=~])?/?)(?![\w@])(?!\.\w)", _address),
    rule(r"(?<![\w.@/-])(?P<it>(?:[A-Za-z0-9-]+\.)+[a-z]{2,}/(?:[^\s<>\"“”]*[\w/=~])?)(?![\w@])", _address),
    rule(rf"(?<![\w.@/-])(?P<it>[\w-]+\.(?:{_FILES}))(?![\w@])(?!\.\w)", _address),
    rule(r"(?<![\w@#&/])(?P<sign>[@#])(?P<name>(?=\w*[A-Za-z])\w+(?:\.\w+)*)", _handle),
    rule(r"(?<!\w)(?:#|№) ?(?P<n>\d+(?:,\d{3})*)(?!\w)", _number_sign),
)
NUMBERS: tuple[Rule, ...] = (
    rule(
        rf"{START}(?P<it>(?P<degrees>\d+(?:\.\d+)?)° ?(?:(?P<minutes>\d+)[′'’] ?)?(?:(?P<seconds>\d+(?:\.\d+)?)[″\"”] ?)?(?P<to>[NSEW]))(?!\w)",
        _coordinate,
    ),
    rule(rf"{START}(?P<n>(?:\d{{1,3}}\.){{3}}\d{{1,3}})(?::(?P<port>\d+))?{END}", _internet_address),
    rule(r"(?<!\w)(?P<v>[vV])\.? ?(?P<n>\d+(?:\.\d+)+|\d+(?=\b))(?!\w)(?!\.\d)", _version),
    rule(
        r"\b(?:version|Version|Python|Java|iOS|iPadOS|Android|macOS|OSX?|Ubuntu|Node|Node\.js|CUDA|Django|PyTorch|release|Release|firmware|"
        rf"Chrome|Firefox|PHP|Ruby|Go|Rust|Kubernetes|Debian|Fedora) (?P<it>(?P<n>\d+\.\d+(?:\.\d+)*)){END}",
        _version,
    ),
    rule(r"(?<![\w.,])\+\d{1,3}[\s.()-]{0,2}(?:\(?\d{1,5}\)?[\s.-]{0,2}){1,5}\d{2,}(?![\w])", _telephone),
    rule(
        r"(?<![\w.,-])(?P<one>1[- ])?\(?(?P<area>8(?:00|88|77|66|55|44|33))\)?[- ](?P<word>[A-Z]{2,}(?:-[A-Z]+)+|[A-Z]{4,})(?!\w)",
        _vanity,
    ),
    rule(r"(?<![\w.,-])(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])", _telephone),
    rule(r"(?<![\w.,-])\(?0\d{2,4}\)?[- ]\d{3,4}[- ]?\d{3,4}(?![\w-])", _telephone),
    rule(rf"(?<![\w.,-])\d{{3}}{DASH}\d{{2}}{DASH}\d{{4}}(?![\w-])", _telephone),
    rule(r"(?<![\w.,$€£-])(?P<a>\d{3})[-\u2011](?P<b>\d{4})(?![\w-])", _local_number),
    rule(r"(?<![\w.,-])\d+(?:-\d+){2,}(?:-[0-9X])?(?![\w-])", _grouped),
    rule(r"(?<![\w.,])\d{4}(?: \d{4}){2,4}(?![\w.,])", _grouped),
    rule(
        r"\b(?:[Cc]all(?:ed|ing)?|[Dd]ial(?:ed|ing)?|[Tt]ext) (?P<it>\d{3})(?![\w,.-]\d|\w)", lambda match: digits(match["it"])
    ),
    rule(r"(?<![\w.,$€£#-])(?<!Porsche )911(?![\w,.-]\d|\w|[-/])", lambda _: "nine one one"),
    rule(rf"{START}(?P<n>\d+(?:\.\d+){{2,}}){END}", _version),
)
MIXED: tuple[Rule, ...] = (
    rule(r"(?<!\w)WW(?P<n>II?|[12])(?!\w)", lambda match: f"World War {'two' if match['n'] in ('II', '2') else 'one'}"),
    rule(rf"\b(?:{_MONARCHS}) (?P<it>[IVX]{{2,}}|[VX])(?![\w.]\w|\w)", _monarch),
    rule(rf"\b(?:King|Queen|Pope|Emperor|Tsar|Czar|Kaiser|Sultan|Prince) (?:{_MONARCHS}) (?P<it>I)(?!\w)", _monarch),
    rule(rf"\b(?:{_PARTS_OF_WORKS}|{_PARTS_OF_WORKS.upper()}) (?P<it>[IVXL]+)(?![\w'’]|\.\w)", _numbered),
    rule(
        r"\b[A-Z][a-z]+ (?P<it>II|III|VII|VIII|XI{1,3}|XIV|XV|XVI{1,3}|XIX|IX|(?<!an )(?:IV|VI)(?= |[.,:;!?]|$))(?![\w'’])(?! drip| line| bag)",
        _numbered,
    ),
    rule(
        r"(?<![\w@#])(?=[A-Za-z0-9-]*\d)(?=[A-Za-z0-9-]*[A-Za-z])[A-Za-z0-9]+(?:\.\d+[A-Za-z]+)?(?:-[A-Za-z0-9]+)*(?!\w)",
        _mixed,
    ),
)
