"""Numbers in Chinese characters, as Chinese or Japanese says them."""

_DIGITS = "零一二三四五六七八九"
_GROUPS = ("", "万", "亿", "兆")
_UNITS = ("", "十", "百", "千")
MOST_DIGITS = 4 * len(_GROUPS)


def cardinal(number: int, language: str) -> str:
    """``number``, which is not negative, as words; from 16 digits on digit by digit."""
    if number == 0:
        return "零" if language == "zh" else "ゼロ"
    if number >= 10**MOST_DIGITS:
        return digits(str(number), language)
    words = ""
    for power in range(len(_GROUPS) - 1, -1, -1):
        group = number // 10_000**power % 10_000
        if group == 0:
            continue
        if words and group < 1000 and language == "zh":
            words += "零"
        words += _group(group, language, power) + _GROUPS[power]
    if language == "ja":
        return words.replace("亿", "億")
    if words.startswith("一十"):
        words = words[1:]
    return "两" + words[1:] if words[0] == "二" and words[1:2] in ("百", "千", "万", "亿", "兆") else words


def _group(number: int, language: str, power: int) -> str:
    """1 to 9,999."""
    words = ""
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit == 0:
            if words and language == "zh" and number % 10**place and not words.endswith("零"):
                words += "零"
        elif language == "ja" and digit == 1 and place and not (place == 3 and power):
            words += _UNITS[place]
        else:
            words += _DIGITS[digit] + _UNITS[place]
    return words


def digits(number: str, language: str, one: str = "一") -> str:
    """Each digit by itself; Chinese telephone numbers take 幺 as ``one``."""
    zero = "零" if language == "zh" else "ゼロ"
    return "".join({"0": zero, "1": one}.get(c) or _DIGITS[int(c)] for c in number if c in "0123456789")


def decimal(number: str, language: str) -> str:
    """``number`` as it is written, with commas between thousands and a point: "1,200.5", ".5", "007"."""
    whole, _, fraction = number.replace(",", "").partition(".")
    leading_zero = len(whole) > 1 and whole[0] == "0"
    words = digits(whole, language) if leading_zero else cardinal(int(whole or "0"), language)
    if not fraction:
        return words
    if language == "ja" and words == "ゼロ":
        words = "零"
    return f"{words}点{digits(fraction, language).replace('ゼロ', '零')}"
