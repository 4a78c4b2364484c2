"""Chinese and Japanese: wetext's reading, and rules for what it gets wrong."""

# ruff: noqa: RUF001 - the characters of other scripts are meant

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from f5_worker.text.cjk_numbers import cardinal, decimal, digits
from f5_worker.text.english_names import spelled
from f5_worker.text.reading import Edit
from f5_worker.text.rules import NUMBER, Rule, read, rule

_HALF_WIDTH = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in "０１２３４５６７８９％＋－＝＃＄．：／＠＆"}
# A mark that stands between words stays as it is: the model knows it.
_WIDE_MARK = re.compile(r"[．：](?![０-９0-9])|(?<![０-９0-9])[．：]")
_SENTENCE = re.compile(r"[^。！？；\n]*[0-9][^。！？；\n]*")
_DASH = r"[-~～〜–—−]"
_CURRENCIES = {
    "zh": {"US$": "美元", "USD": "美元", "$": "美元", "HK$": "港元", "HKD": "港元", "€": "欧元", "EUR": "欧元", "£": "英镑", "GBP": "英镑",
           "¥": "元", "￥": "元", "CNY": "元", "RMB": "元", "₩": "韩元", "JPY": "日元", "₹": "卢比"},
    "ja": {"US$": "米ドル", "USD": "米ドル", "$": "ドル", "HK$": "香港ドル", "€": "ユーロ", "EUR": "ユーロ", "£": "ポンド", "GBP": "ポンド",
           "¥": "円", "￥": "円", "JPY": "円", "₩": "ウォン", "CNY": "元", "₹": "ルピー"},
}  # fmt: skip
_CURRENCY = "|".join(sorted(map(re.escape, {c for names in _CURRENCIES.values() for c in names}), key=len, reverse=True))
_MAGNITUDES = {
    "zh": {"k": "千", "K": "千", "M": "百万", "m": "百万", "B": "十亿", "bn": "十亿", "b": "十亿"},
    "ja": {"k": "千", "K": "千", "M": "百万", "m": "百万", "B": "十億", "bn": "十億", "b": "十億"},
}
_MARKS = {
    "zh": {".": "点", "@": "艾特", "/": "斜杠", "-": "杠", "_": "下划线", ":": "冒号", "?": "问号", "=": "等于", "&": "和", "#": "井号"},
    "ja": {".": "ドット", "@": "アットマーク", "/": "スラッシュ", "-": "ハイフン", "_": "アンダーバー", ":": "コロン", "?": "クエスチョン", "=": "イコール",
           "&": "アンド", "#": "シャープ"},
}  # fmt: skip
_SIGNS = {
    "zh": {"&": "和", "+": "加", "=": "等于", "<": "小于", ">": "大于", "≤": "小于等于", "≥": "大于等于", "≈": "约等于", "%": "百分之", "×": "乘", "~": "约"},
    "ja": {"&": "アンド", "+": "プラス", "=": "イコール", "<": "小なり", ">": "大なり", "≤": "以下", "≥": "以上", "≈": "約", "%": "パーセント", "×": "かける", "~": "約"},
}  # fmt: skip
_JAPANESE_NAMES = {
    "1D": "ワンディー", "2D": "ツーディー", "3D": "スリーディー", "3G": "スリージー", "4G": "フォージー", "5G": "ファイブジー", "6G": "シックスジー",
    "2K": "ツーケー", "4K": "フォーケー", "8K": "ハチケー", "MP3": "エムピースリー", "MP4": "エムピーフォー", "24/7": "二十四時間年中無休",
}  # fmt: skip
_CHINESE_TWO = "年(?![级代])|倍|点|公斤|斤|公里|米|升|吨|天|位|名|只|条|张|本|次|杯|件|台|辆|座|间|套|瓶|家|岁|分钟|秒|种|块|元|碗|头|匹|句|页|篇|首|支|对|双|边|所|片|门|层"
_DIALLED = r"(?:拨打|致电|电话|热线|拨|打|呼叫|客服|短信|号码|编号|密码|验证码|账号|帐号|学号|工号|卡号|单号|订单号|QQ群|QQ|尾号|邮编|代码)(?:是|为|：|:|号)?\s?"


def edits_of(text: str, language: str) -> tuple[Edit, ...]:
    """See ``normalise``; ``language`` is ``"zh"`` or ``"ja"``."""
    kept = _WIDE_MARK.finditer(text)
    plain = list(text.translate(_HALF_WIDTH))
    for match in kept:
        plain[match.start()] = match[0]
    half = "".join(plain)
    edits = read(half, _RULES[language])
    edits = sorted([*edits, *_by_wetext(half, edits, language)], key=lambda edit: edit.start)
    edits = read(half, _LAST[language], edits)
    return tuple(_trimmed(text, edits))


def _by_wetext(text: str, edits: list[Edit], language: str) -> Iterator[Edit]:
    """What wetext reads between ``edits``, sentence by sentence; parts that touch are one edit."""
    borders = [0, *(place for edit in edits for place in (edit.start, edit.end)), len(text)]
    for gap_start, gap_end in zip(borders[::2], borders[1::2], strict=True):
        for sentence in _SENTENCE.finditer(text, gap_start, gap_end):
            start = end = 0
            spoken = ""
            for mapping in _wetext(language)(_ranged(sentence[0])).mappings:
                if not re.search("[0-9]", mapping.input_text) or re.search(r"[0-9\\]", mapping.output_text):
                    continue
                if spoken and mapping.input_start == end:
                    end, spoken = mapping.input_end, spoken + mapping.output_text
                    continue
                if spoken:
                    yield Edit(sentence.start() + start, sentence.start() + end, spoken)
                start, end, spoken = mapping.input_start, mapping.input_end, mapping.output_text
            if spoken:
                yield Edit(sentence.start() + start, sentence.start() + end, spoken)


def _ranged(text: str) -> str:
    """``text``, as long as before, with the one mark between the ends of a range that wetext knows."""
    return re.sub(r"(?<=[0-9])[~～〜–—](?=[0-9])", "-", text)


@cache
def _wetext(language: str) -> Callable[[str], Any]:
    from wetext import Normalizer

    return Normalizer(lang=language, operator="tn").normalize_with_mapping


def _trimmed(text: str, edits: list[Edit]) -> Iterator[Edit]:
    """``edits`` without what they leave as it is at their ends: 2个 to 两个 is 2 to 两."""
    for edit in edits:
        start, end, spoken = edit.start, edit.end, edit.spoken
        while end > start and spoken and spoken[-1] == text[end - 1]:
            end, spoken = end - 1, spoken[:-1]
        while end > start and spoken and spoken[0] == text[start]:
            start, spoken = start + 1, spoken[1:]
        if end > start or spoken:
            yield Edit(start, end, spoken)


def _rules(language: str) -> tuple[Rule, ...]:
    zh = language == "zh"
    to = "到" if zh else "から"
    minus = "负" if zh else "マイナス"
    marks, currencies, magnitudes = _MARKS[language], _CURRENCIES[language], _MAGNITUDES[language]

    def say(number: str) -> str:
        return decimal(number, language)

    def label(number: str) -> str:
        return say(number) if len(number) < 3 and number[0] != "0" else digits(number, language)

    def address(match: re.Match[str]) -> str:
        written = re.sub(r"^[a-z]+://", "", match[0], flags=re.IGNORECASE).rstrip("/")
        return spelled(written, marks, label)

    def telephone(match: re.Match[str]) -> str:
        plus = ("加" if zh else "プラス") if match[0].startswith("+") else ""
        groups = [digits(group, language, "幺" if zh else "一") for group in re.findall("[0-9]+", match[0])]
        return plus + ("" if zh else "の").join(groups)

    def percent(match: re.Match[str]) -> str:
        sign = minus if match["sign"] else ""
        if not zh:
            return f"{sign}{say(match['n'])}" + (f"から{say(match['to'])}" if match["to"] else "") + "パーセント"
        per = "百分之" if match["mark"] == "%" else "千分之"
        return f"{sign}{per}{say(match['n'])}" + (f"到{per}{say(match['to'])}" if match["to"] else "")

    def money(match: re.Match[str]) -> str | None:
        name = currencies.get(match["currency"])
        if name is None:
            return None
        last = f"{to}{say(match['to'])}" if match["to"] else ""
        magnitude = match["magnitude"] or ""
        number = match["n"]
        if "." in number:
            number = number.rstrip("0").rstrip(".") or "0"
        return say(number) + last + magnitudes.get(magnitude, magnitude) + ("" if match["named"] else name)

    def degrees(match: re.Match[str]) -> str:
        sign = minus if match["sign"] else ""
        unit = ("摄氏度" if zh else "度") if match["unit"] in "℃°C" else "华氏度" if zh else "華氏度"
        last = f"{to}{minus if match['last'] else ''}{say(match['to'])}" if match["to"] else ""
        return f"{sign}{say(match['n'])}{last}{unit}"

    def month_and_day(match: re.Match[str]) -> str:
        return f"{say(match['month'])}月{say(match['day'])}日"

    def after_letters(match: re.Match[str]) -> str:
        return label(match["n"])

    def point_by_point(match: re.Match[str]) -> str | None:
        parts = match["n"].split(".")
        return None if len(parts[0]) == 4 else ("点" if zh else "点").join(say(part) for part in parts)

    def number_sign(match: re.Match[str]) -> str:
        if zh:
            return f"第{say(match['n'])}"
        return "ナンバーワン" if match["n"] == "1" else f"ナンバー{say(match['n'])}"

    magnitude = r"(?: ?(?P<magnitude>万亿|千万|百万|十万|万|亿|億|千|兆|bn|[kKmMbB](?![A-Za-z])))?"
    own: tuple[Rule, ...] = (
        rule(r"(?<![A-Za-z0-9._-])[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", address),
        rule(r"(?:https?://|www\.)[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*[A-Za-z0-9/=_-]", address, re.IGNORECASE),
        rule(
            r"(?<![A-Za-z0-9.@-])(?:[a-z0-9-]+\.)+(?:com|cn|org|net|jp|io|edu|gov|info|tw|hk)(?:/[A-Za-z0-9._~/?#=&%-]*[A-Za-z0-9/=_-])?(?![A-Za-z0-9])",
            address,
        ),
        rule(r"(?<![\w+.])\+\d{1,3}[- ]?\d{2,11}(?:[- ]\d{2,8})*(?!\d)", telephone, re.ASCII),
        rule(rf"(?P<sign>(?<![0-9%])[-−])?(?P<n>{NUMBER})%?{_DASH}(?P<to>{NUMBER})(?P<mark>[%‰])", percent),
        rule(rf"(?P<sign>(?<![0-9%A-Za-z])[-−])?(?P<n>{NUMBER})(?P<to>)(?P<mark>[%‰])", percent),
        rule(
            rf"(?P<currency>{_CURRENCY}) ?(?P<n>{NUMBER})(?:{_DASH}(?P<to>{NUMBER}))?{magnitude}(?P<named>元|円|ドル|美元|欧元|块)?",
            money,
        ),
        rule(
            rf"(?<![0-9.])(?P<n>{NUMBER})(?:{_DASH}(?P<to>{NUMBER}))?{magnitude} ?(?P<currency>{_CURRENCY})(?P<named>)(?![A-Za-z])",
            money,
        ),
        rule(
            rf"(?P<sign>(?<![0-9])[-−])?(?P<n>{NUMBER})(?:(?:℃|°C)?{_DASH}(?P<last>-)?(?P<to>{NUMBER}))? ?(?P<unit>℃|°C|℉|°F)",
            degrees,
        ),
        rule(r"(?<![0-9/.])(?P<month>1[0-2]|[1-9])/(?P<day>1[3-9]|2\d|3[01])(?![0-9/])", month_and_day),
        rule(r"(?<![A-Za-z0-9.])[vV]?(?P<it>(?P<n>\d+(?:\.\d+){2,}))(?![0-9.])", point_by_point),
        rule(r"(?<=[A-Za-z])(?P<it>-(?P<n>\d+))(?![A-Za-z0-9.])", after_letters),
        rule(r"(?<=[A-Za-z])(?P<it>(?P<n>\d{3,}))(?![0-9.])", after_letters),
        rule(r"(?<![A-Za-z])(?:No\. ?|№ ?|#)(?P<n>\d+)(?![0-9])", number_sign),
        rule(r"(?<![0-9.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![0-9])", lambda match: say(match[0])),
        rule(r"(?<![0-9.])\.\d+", lambda match: say(match[0])),
        rule(rf"(?<=:\d\d)(?P<it> ?{_DASH} ?)(?=\d?\d:\d\d)", lambda _: to),
        rule(r"(?<=[0-9])(?P<it> ?[x×*] ?)(?=[0-9])", lambda _: "乘" if zh else "かける"),
    )
    if not zh:
        return (
            *own,
            rule(
                r"(?<![A-Za-z0-9])(?:[1-6][DG]|[248]K|MP[34]|24/7)(?![A-Za-z0-9])", lambda match: _JAPANESE_NAMES.get(match[0])
            ),
            rule(r"(?<![0-9-])0\d{1,4}-\d{1,4}-\d{3,4}(?![0-9-])", telephone),
            rule(r"(?<![0-9.:-])(?:0|\d+\.\d+)(?![0-9.:])", lambda match: say(match[0])),
            rule(r"(?<=[0-9年月日時分円人個回歳度])[~～〜](?=[0-9])", lambda _: "から"),
        )
    return (
        *own,
        rule(r"(?<!\d)(?:1[3-9]\d[- ]?\d{4}[- ]?\d{4}|0\d{2,3}-?\d{7,8}|[48]00-?\d{3,4}-?\d{3,4})(?!\d)", telephone),
        rule(
            r"(?<!\d)\d{17}[0-9Xx](?![0-9A-Za-z])", lambda match: digits(match[0], "zh") + ("X" if match[0][-1] in "xX" else "")
        ),
        rule(rf"{_DIALLED}(?P<it>\d{{3,}})(?![0-9.,]|[年月个人元次])", lambda match: digits(match["it"], "zh", "幺")),
        rule(r"(?<!\d)\d{3,4}(?=室|房间|号房|房(?![子价屋租产东])|航班|次列车)", lambda match: digits(match[0], "zh", "幺")),
        rule(r"(?<![0-9.,-])[1-9]\d{4,9}(?![0-9.,-])(?!年)", lambda match: cardinal(int(match[0]), "zh")),
        rule(r"第(?P<it>\d+)(?![0-9.-])", lambda match: say(match["it"]).replace("两", "二")),
        rule(rf"(?<![第0-9.:：/月-])2(?={_CHINESE_TWO})", lambda _: "两"),
        rule(r"(?<=[0-9])㎡", lambda _: "平方米"),
        rule(r"(?<=[0-9])~(?=[0-9])", lambda _: "到"),
    )


def _last(language: str) -> tuple[Rule, ...]:
    signs = _SIGNS[language]
    return (
        rule(r"(?<=[0-9年月日号点分秒时個个人元])[~～〜–](?=[0-9])", lambda _: "到" if language == "zh" else "から"),
        rule(r"[&+=≤≥≈×%](?![&+=%])|[<>~](?= ?[0-9])", lambda match: signs[match[0]]),
        rule(r"\d+", lambda match: decimal(match[0], language)),
    )


_RULES = {language: _rules(language) for language in ("zh", "ja")}
_LAST = {language: _last(language) for language in ("zh", "ja")}
