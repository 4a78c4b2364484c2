"""Which language a text is in, as far as its numbers and abbreviations need to know: English, Chinese, Japanese or another."""

import re

_LETTERS = re.compile(r"[^\W\d_]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa\u30fd-\u30ff\uff66-\uff9d]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff\ufb00-\ufb06]")
_ACCENTED = re.compile(r"[\u00c0-\u024f\u1e00-\u1eff]")
_LATIN_WORD = re.compile(rf"{_LATIN.pattern}+(?:['’]{_LATIN.pattern}+)*")
_NO_PROSE = re.compile(r"\S*(?:://|www\.|@)\S*")
_WORDS_PER_CHARACTER = 1.5  # so many words of Latin letters are but names and terms in Chinese or Japanese
_JAPANESE_KANA = 0.08  # of its ideographs and kana; Chinese brands have a の now and then
_ENGLISH_ACCENTS = 0.03  # of its letters at most, where no function word tells: café, naïve

_ENGLISH_WORDS = """
    the of and to in is it you that was for on are am with as his they be at this have from or had by but what all were we when
    your can said there an which she do how their if will other about out many then them these so some her would make like him
    into has could my than been who its now did get may no not i he our us me yes hello hi thanks please a i'm don't it's
    that's can't i've you're won't didn't isn't doesn't up just one two time day new over after before because where why very
    here see today should would any only also more most such those between through during without under while being were am let's
    there's what's they're she's he's we're should've well good great said know think want need much every never always
"""
_SHARED_WORDS = "in was an so will on as no a i me do he be all up at or for to has had her we well"  # with other languages
# German, Dutch; French; Spanish, Portuguese, Italian, Romanian; Scandinavian, Finnish; Slavic, Turkish, Hungarian, Indonesian.
# Words that nearly every sentence has, and greetings; none that English needs.
_OTHER_WORDS = """
    der das und ist nicht ein eine einen einem einer dem ich wir ihr sie mit auf für von zu im sich auch wie aber nach
    bei kostet uhr heute guten morgen hallo danke bitte dass wird sind haben oder het een niet zijn voor ik wij jij naar
    met dat deze maar ook goedemorgen
    le les un une du et est dans que qui ne sur avec ce cette il elle nous vous je au aux sont mais ou où bonjour
    merci c'est j'ai l'an d'un d'une n'est qu'il coûte être très
    el las uno y es en por con para del al se lo su como más pero hola gracias buenos días cuesta está muy os um uma não
    da em é obrigado olá isso foi di che non sono della gli nel alla ciao grazie buongiorno costa questo anche și este în
    pentru cu nu
    och det är att som på jag inte ett han og er ikke til av med hei ja jeg tack hej ei että olen minä hyvää huomenta
    nie jest się na że jak dzień dobry dziękuję že jsem v dobrý bir ve bu için değil merhaba teşekkür az egy és hogy nem yang
    ini itu dengan untuk tidak saya halo terima kasih và của là không
"""
_ENGLISH, _SHARED, _OTHER = (frozenset(words.split()) for words in (_ENGLISH_WORDS, _SHARED_WORDS, _OTHER_WORDS))


def language_of(text: str) -> str:
    """``"en"``, ``"zh"``, ``"ja"``, or ``""`` for any other language.

    The script of most letters decides; among Latin ones, English needs more of its own function words than of other languages',
    or, where a text has neither, hardly an accented letter. A text without letters counts as English.
    """
    text = _NO_PROSE.sub(" ", text)
    letters, han, kana, latin = (len(found.findall(text)) for found in (_LETTERS, _HAN, _KANA, _LATIN))
    words = [word.lower().replace("’", "'") for word in _LATIN_WORD.findall(text)]
    english = sum(0.5 if word in _SHARED else 1 for word in words if word in _ENGLISH)
    other = sum(word in _OTHER for word in words)
    if han + kana > (letters - latin) / 2 and (han + kana) * _WORDS_PER_CHARACTER >= len(words) + 2 * english:
        return "ja" if kana >= _JAPANESE_KANA * (han + kana) else "zh"
    if latin * 2 < letters - han - kana:
        return ""
    if english != other:
        return "en" if english > other else ""
    return "en" if len(_ACCENTED.findall(text)) <= _ENGLISH_ACCENTS * latin else ""
