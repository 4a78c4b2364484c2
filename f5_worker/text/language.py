"""Which language a text is in, as far as its numbers and abbreviations need to know: English, Chinese, Japanese or another."""

import re

_LETTERS = re.compile(r"[^\W\d_]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa\u30fd-\u30ff\uff66-\uff9d]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff\ufb00-\ufb06]")
_ACCENTED = re.compile(r"[\u00c0-\u024f\u1e00-\u1eff]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NO_PROSE = re.compile(r"\S*(?:://|www\.|@)\S*")
_LETTERS_PER_IDEOGRAPH = 2.5  # of an English text that says as much
_JAPANESE_KANA = 0.08  # of its ideographs and kana; Chinese brands have a の now and then
_ENGLISH_ACCENTS = 0.03  # of its letters at most, where no function word tells: café, naïve

_ENGLISH = frozenset(
    ["the", "of", "and", "to", "in", "is", "it", "you", "that", "was", "for", "on", "are", "with", "as", "his", "they", "be", "at", "this", "have", "from", "or", "had", "by", "but", "what", "all", "were", "we", "when", "your", "can", "said", "there", "an", "which", "she", "do", "how", "their", "if", "will", "other", "about", "out", "many", "then", "them", "these", "so", "some", "her", "would", "make", "like", "him", "into", "has", "could", "my", "than", "been", "who", "its", "now", "did", "get", "may", "no", "not", "i", "he", "our", "us", "me", "yes", "hello", "hi", "thanks", "please", "a", "i'm", "don't", "it's", "that's", "can't", "i've", "you're", "won't", "didn't", "isn't", "doesn't", "up", "just", "one", "two", "time", "day", "new", "over", "after", "before", "because", "where", "why", "very", "here", "see", "today"]
)
# Words that other Latin-script languages need in nearly every sentence, and greetings; none of them usual in English.
_OTHER = frozenset(
    # German, Dutch
    "der das und ist nicht ein eine einen einem einer den dem des ich wir ihr sie mit auf für von zu im am sich auch wie aber nach bei "
    "kostet uhr heute guten morgen tag hallo danke bitte dass wird sind haben hat oder het een van niet zijn voor ik wij jij naar met "
    "dat deze maar ook goedemorgen "
    # French
    "le la les un une des du et est dans que qui ne pas pour sur avec ce cette il elle nous vous je au aux sont plus par mais ou où "
    "bonjour merci c'est j'ai l'an d'un d'une n'est qu'il coûte être très "
    # Spanish, Portuguese, Italian, Romanian, Catalan
    "el los las uno y es en por con para del al se lo su como más pero hola gracias buenos días cuesta está son muy o e os um uma não "
    "da em é com obrigado olá isso foi di che per non sono della il gli nel alla ciao grazie buongiorno costa questo anche și este în "
    "pentru cu nu "
    # Scandinavian, Finnish
    "och det är att som på jag inte en ett han på og er ikke til av med hei ja jeg tack hej on ei että olen minä se hyvää huomenta "
    # Polish, Czech, Turkish, Hungarian, Indonesian, Vietnamese
    "nie jest się na że jak dzień dobry dziękuję je že jsem v dobrý den bir ve bu için değil merhaba teşekkür az egy és hogy nem van "
    "yang dan ini itu dengan untuk tidak saya halo terima kasih và của là không".split()
) - {"on", "me", "an", "as", "in", "was", "a", "i", "to", "no", "so", "do", "he", "o", "e", "per", "plus", "pour", "son", "tag", "dan", "van", "den"}


def language_of(text: str) -> str:
    """``"en"``, ``"zh"``, ``"ja"``, or ``""`` for any other language.

    The script of most letters decides; among Latin ones, English needs more of its own function words than of other languages',
    or, where a text has neither, hardly an accented letter. A text without letters counts as English.
    """
    text = _NO_PROSE.sub(" ", text)
    letters, han, kana, latin = (len(found.findall(text)) for found in (_LETTERS, _HAN, _KANA, _LATIN))
    if (han + kana) and (han + kana) * _LETTERS_PER_IDEOGRAPH >= letters - han - kana:
        return "ja" if kana >= _JAPANESE_KANA * (han + kana) else "zh"
    if latin * 2 < letters - han - kana:
        return ""
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    english, other = (sum(word in known for word in words) for known in (_ENGLISH, _OTHER))
    if english or other:
        return "en" if english > other else ""
    return "en" if len(_ACCENTED.findall(text)) <= _ENGLISH_ACCENTS * latin else ""
