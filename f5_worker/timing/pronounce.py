"""From plain English words to phones (ARPABET): the dictionary's pronunciations, else those that the spelling suggests."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice, product

from f5_worker.timing.readings import readings

Lookup = Callable[[str], "str | None"]
"""The dictionary: phones of ``word``, and of its further pronunciations under ``word(2)``, ``word(3)`` ..."""

MOST_PRONUNCIATIONS = 40
_MOST_LETTERS = 60  # of a word that is read by its spelling


def _table(text: str) -> Mapping[str, Sequence[str]]:
    """``word: phones | phones; ...``"""
    rows = (row.split(": ") for row in " ".join(text.split()).split("; "))
    return {word: ways.split(" | ") for word, ways in rows}


# As function words sound between others, where the dictionary has their full form only.
_WEAK = _table("""
    an: AH N; and: AH N D | AH N; are: AA R; as: AH Z; at: AH T; be: B IH; but: B AH T; by: B AH; can: K AH N; could: K AH D;
    do: D AH; for: F ER; from: F R AH M; had: HH AH D; has: HH AH Z; have: HH AH V; her: HH ER; his: IH Z; in: AH N; it: AH T;
    just: JH AH S T; my: M AH; not: N AH T; of: AH V; on: AH N; should: SH AH D; so: S AH; some: S AH M; than: DH AH N; that:
    DH AH T; the: DH AH; them: DH AH M; then: DH AH N; there: DH ER; to: T AH | T IH; us: AH S; was: W AH Z; were: W ER; what:
    W AH T; will: W AH L; with: W AH DH | W IH TH; would: W AH D; you: Y AH; your: Y ER
""")
# The longest that matches is taken; (?<...) and (?=...) look at the letters around.
_RULES = tuple(
    (re.compile(pattern), phones)
    for pattern, phones in (
        ("tion", "SH AH N"), ("sion", "ZH AH N"), ("cious|tious", "SH AH S"), ("cial|tial", "SH AH L"),
        ("ture", "CH ER"), ("ough", "AO"), ("augh", "AO"), ("eigh", "EY"), ("igh", "AY"), ("tch", "CH"), ("dge", "JH"),
        ("sch", "SH"), ("(?<=.)le$", "AH L"), ("(?<=[td])ed$", "IH D"), ("(?<=[pkfsxc])ed$|(?<=sh)ed$|(?<=ch)ed$", "T"),
        ("(?<=..)ed$", "D"), ("(?<=[sxz])es$|(?<=ch)es$|(?<=sh)es$", "IH Z"), ("(?<=..)ing$", "IH NG"), ("ck", "K"),
        ("ch", "CH"), ("sh", "SH"), ("th", "TH"), ("ph", "F"), ("^wh", "W"), ("wh", "W"), ("^kn|^gn|^pn", "N"),
        ("^wr", "R"), ("^ps", "S"), ("^x", "Z"), ("qu", "K W"), ("ng$|ng(?=[^aeiouy])", "NG"), ("nk", "NG K"),
        ("gh", "G"), ("rh", "R"), ("sc(?=[eiy])", "S"), ("cc(?=[eiy])", "K S"), ("c(?=[eiy])", "S"),
        ("g(?=[eiy])", "JH"), ("bb", "B"), ("cc", "K"), ("dd", "D"), ("ff", "F"), ("gg", "G"), ("ll", "L"), ("mm", "M"),
        ("nn", "N"), ("pp", "P"), ("rr", "R"), ("ss", "S"), ("tt", "T"), ("zz", "Z"), ("vv", "V"),
        ("a(?=[^aeiouywx]e(?:s|d)?$)", "EY"), ("i(?=[^aeiouyw]e(?:s|d)?$)", "AY"), ("o(?=[^aeiouyw]e(?:s|d)?$)", "OW"),
        ("u(?=[^aeiouyw]e(?:s|d)?$)", "UW"), ("ai|ay", "EY"), ("au|aw", "AO"), ("eau", "OW"), ("ee|ea", "IY"),
        ("ei", "IY"), ("eu|ew", "UW"), ("ey$", "IY"), ("ey", "EY"), ("ie", "IY"), ("oa", "OW"), ("oe", "OW"),
        ("oi|oy", "OY"), ("oo", "UW"), ("ou", "AW"), ("ow$", "OW"), ("ow", "AW"), ("ue", "UW"), ("ui", "UW"),
        ("air|are$", "EH R"), ("ear", "IH R"), ("eer", "IH R"), ("ar", "AA R"), ("er|ir|ur", "ER"), ("or", "AO R"),
        ("(?<=[aeiouy][^aeiouy])e$|(?<=[aeiouy][^aeiouy][^aeiouy])e$", ""), ("^y", "Y"), ("y$", "IY"), ("a$", "AH"),
        ("o$", "OW"), ("i$", "IY"), ("e$", "IY"), ("a", "AE"), ("b", "B"), ("c", "K"), ("d", "D"), ("e", "EH"),
        ("f", "F"), ("g", "G"), ("h", "HH"), ("i", "IH"), ("j", "JH"), ("k", "K"), ("l", "L"), ("m", "M"), ("n", "N"),
        ("o", "AA"), ("p", "P"), ("q", "K"), ("r", "R"), ("s$", "Z"), ("s", "S"), ("t", "T"), ("u", "AH"), ("v", "V"),
        ("w", "W"), ("x", "K S"), ("y", "IH"), ("z", "Z"),
    )
)  # fmt: skip


def pronunciations(word: str, lookup: Lookup) -> list[str]:
    """The ways in which a written word may sound, as phones, at most ``MOST_PRONUNCIATIONS``; none where nothing is said.

    Args:
        word: as written, or the several words that are spoken in its place.
    """
    found: dict[str, None] = {}
    for reading in readings(word, lambda plain: lookup(plain) is not None):
        most = 4 if len(reading) < 3 else 2 if len(reading) < 5 else 1
        ways = [list(islice(_sounds(plain, lookup), most)) for plain in reading]
        found.update(dict.fromkeys(" ".join(filter(None, way)) for way in islice(product(*ways), 12)))
    found.pop("", None)
    return list(islice(found, MOST_PRONUNCIATIONS))


def _sounds(plain: str, lookup: Lookup) -> Iterator[str]:
    """The pronunciations of a plain word; of a letter ("u."), its name."""
    for name in (plain, plain.rstrip(".")):
        if (phones := lookup(name)) is not None:
            listed = [phones]
            while (phones := lookup(f"{name}({len(listed) + 1})")) is not None:
                listed.append(phones)
            yield from dict.fromkeys([*listed, *_WEAK.get(name, ())])
            return
    yield from dict.fromkeys([*_built(plain, lookup), spelling_sounds(plain)])


def _built(word: str, lookup: Lookup) -> Iterator[str]:
    """A word that the dictionary lacks, out of words that it has: with an ending, or of two parts."""
    for ending in ("'s", "s'", "s"):
        stem = word.removesuffix(ending)
        if stem != word and (phones := lookup(stem)) is not None:
            last = phones.split()[-1]
            sound = "IH Z" if last in ("S", "Z", "SH", "ZH", "CH", "JH") else "S" if last in ("P", "T", "K", "F", "TH") else "Z"
            yield f"{phones} {sound}"
            return
    for ending, sound in (("ly", "L IY"), ("ness", "N AH S"), ("less", "L AH S"), ("ing", "IH NG"), ("er", "ER")):
        stem = word.removesuffix(ending)
        if stem != word and (phones := lookup(stem) or lookup(f"{stem}e")) is not None:
            yield f"{phones} {sound}"
            return
    splits = ((word[:at], word[at:]) for at in range(len(word) - 3, 2, -1)) if len(word) <= _MOST_LETTERS else ()
    pairs = ([lookup(head), lookup(tail)] for head, tail in splits)
    yield from islice((f"{head} {tail}" for head, tail in pairs if head and tail), 1)


def spelling_sounds(word: str) -> str:
    """Phones by the rules of spelling, which are right for many words and near for most; empty where no letter is Latin."""
    letters = re.sub("[^a-z]", "", word)[:_MOST_LETTERS]
    phones: list[Sequence[str]] = []
    at = 0
    while at < len(letters):
        match, sound = max(
            ((match, sound) for rule, sound in _RULES if (match := rule.match(letters, at))), key=lambda pair: pair[0].end()
        )
        phones.append(sound.split())
        at = match.end()
    return " ".join(chain.from_iterable(phones))
