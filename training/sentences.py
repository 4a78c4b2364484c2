"""What is to be said: usage examples of WordNet 3.0, sentence patterns of our own, and rows of common words."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

WORDNET = Path("/usr/share/wordnet")
"""Where Debian's wordnet-base has its files."""

_ALWAYS = ("Hello from F5-TTS.", "This is a test.")
_SHORT = "a i am an as at be by do go he if in is it me my no of on or so to up us we"
_SHORT_WORDS = frozenset(_SHORT.split())

_LISTS = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety
Monday Tuesday Wednesday Thursday Friday Saturday Sunday
January February March April May June July August September October November December
Anna Peter John Mary David Sarah Tom Alice Michael Emma James Lucy Robert Kate Daniel Helen Paul Susan Mark Laura
good new old small large great young long little big warm cold happy quiet quick slow clear simple strong dark bright
see find need want like love hear take bring buy use open close move make keep leave send read write show hold remember
first second third fourth tenth twentieth
"""
ONES, TENS, DAYS, MONTHS, NAMES, ADJECTIVES, VERBS, ORDINALS = (line.split() for line in _LISTS.strip().splitlines())
_NOUNS = """
house door window table book letter story picture river road car train tree dog cat child friend teacher word voice sound
machine computer model file test message question number morning evening day week coffee water weather light
"""
NOUNS = _NOUNS.split()
_PLACES = """
London|Paris|Berlin|New York|Boston|Rome|Tokyo|the city|the office|the station|the park|the school|the library|the river
"""
PLACES = _PLACES.strip().split("|")


@dataclass(frozen=True, slots=True)
class Corpus:
    """``held`` back for the verdict, ``spoken`` with audio, ``spelt`` for the text encoder alone (``spoken`` first)."""

    held: Sequence[str]
    spoken: Sequence[str]
    spelt: Sequence[str]


def corpus(count: int, wordnet: Path = WORDNET) -> Corpus:
    """``count`` spoken texts (half WordNet's, a fifth patterns, the rest rows of words) and as many spelt ones besides.

    Raises:
        ImportError, OSError: wordfreq or Debian's wordnet-base is not installed.
    """
    from wordfreq import top_n_list, word_frequency

    common: list[str] = [
        word
        for word in top_n_list("en", 9000)
        if re.fullmatch(r"[a-z]+(?:'[a-z]+)?", word) and (len(word) > 2 or word in _SHORT_WORDS)
    ]

    def row(vocabulary: Sequence[str], power: float, low: int, high: int) -> str:
        """Words that make no sense together: every common word comes up."""
        weights = [word_frequency(word, "en") ** power for word in vocabulary]
        words = random.choices(vocabulary, weights, k=random.randint(low, high))
        text = " ".join("I" + word[1:] if word == "i" or word.startswith("i'") else word for word in words)
        return text[0].upper() + text[1:] + random.choice("......?")

    examples = sorted(usage_examples(wordnet, frozenset(common[:7000])))
    natural = random.sample(examples, len(examples))
    made = list(dict.fromkeys(pattern() for _ in range(count)))
    rows = [row(common[:5000], 0.35, 3, 8) for _ in range(count)]
    spoken, sources = list(_ALWAYS), [iter(natural[70:]), iter(made[30:]), iter(rows)]
    while len(spoken) < count:
        text = next(random.choices(sources, (0.5, 0.2, 0.3))[0], None)
        if text:
            spoken.append(text)
    return Corpus([*natural[:70], *made[:30]], spoken, [*spoken, *(row(common, 0.25, 4, 9) for _ in range(count))])


def usage_examples(wordnet: Path, known: frozenset[str]) -> Iterator[str]:
    """WordNet's examples of 3 to 11 ``known`` words, as sentences.

    Raises:
        OSError: wordnet-base is not installed.
    """
    for name in ("adj", "adv", "noun", "verb"):
        for line in (wordnet / f"data.{name}").read_text(errors="ignore").splitlines():
            for quoted in re.findall(r'"([^"]+)"', line.partition("|")[2]):
                text = quoted.strip().rstrip(";,.")
                words = re.findall(r"[A-Za-z']+", text)
                plain = re.fullmatch(r"[A-Za-z',?! -]{14,62}", text) and 3 <= len(words) <= 11
                if plain and all(word.lower().strip("'") in known for word in words):
                    yield text[0].upper() + text[1:] + ("" if text[-1] in "?!" else ".")


def pattern() -> str:
    """A sentence of everyday words, made by chance."""
    pick = random.choice
    number = pick([pick(ONES), pick(TENS), f"{pick(TENS)} {pick(ONES[:9])}", f"{pick(ONES[:9])} hundred"])
    return pick(
        [
            f"Hello from {pick(['F5-TTS', 'F5-TTS', 'the other side', 'the worker', 'London', 'the team'])}.",
            f"{pick(['Hello', 'Good morning', 'Good evening', 'Good night', 'Hi', 'Thank you', 'Welcome'])}, {pick(NAMES)}.",
            f"This is {pick(['a test', 'a short test', 'the first test', 'a small model', 'a text to speech demo', 'F5-TTS'])}"
            ".",
            f"The {pick(ADJECTIVES)} {pick(NOUNS)} is {pick(['in', 'near', 'behind', 'on', 'under'])} the {pick(ADJECTIVES)} "
            f"{pick(NOUNS)}.",
            f"We {pick(VERBS)} {number} {pick(ADJECTIVES)} {pick(NOUNS)}s.",
            f"{pick(NAMES)} and {pick(NAMES)} {pick(['went', 'drove', 'walked', 'came'])} to {pick(PLACES)} on {pick(DAYS)}.",
            f"It is {number} {pick(['minutes', 'hours', 'days', 'miles'])} to {pick(PLACES)}.",
            f"Today is {pick(DAYS)}, the {pick(ORDINALS)} of {pick(MONTHS)}.",
            f"Can you {pick(VERBS)} the {pick(NOUNS)} for me, please?",
            f"She {pick(['said', 'thought', 'knew'])} that the {pick(NOUNS)} was {pick(ADJECTIVES)}.",
            f"He will {pick(VERBS)} a {pick(ADJECTIVES)} {pick(NOUNS)} "
            f"{pick(['tomorrow', 'tonight', 'next week', 'in the morning', 'again'])}.",
            f"If you {pick(VERBS)} the {pick(NOUNS)}, I will {pick(VERBS)} the {pick(NOUNS)}.",
            f"The {pick(['voice', 'sound', 'speech', 'audio'])} is {pick(['clear', 'generated', 'ready'])} "
            f"{pick(['now', 'here', 'on this machine', 'from text'])}.",
        ]
    )
