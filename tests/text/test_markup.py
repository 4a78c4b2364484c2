"""Markdown and HTML: what is spoken of them, and which texts look like them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.clean import clean_text
from f5_worker.text.markup import markup_in, plain_text
from f5_worker.text.paragraphs import paragraphs


def spoken(text: str) -> list[str]:
    """What is spoken of each paragraph."""
    return [paragraph.spoken for paragraph in paragraphs(plain_text(clean_text(text)))]


@pytest.mark.parametrize(
    ("text", "markup", "heard"),
    [
        (
            "# Title\n\nThis is **bold**, _it_, `code` and [a link](https://x.org/y).\n\n| a | b |\n|---|---|\n| 1 | 2 |",
            "Markdown",
            ["Title.", "This is bold, it, code and a link.", "a, b. 1, 2."],
        ),
        ('<speak>Hello <break time="1s"/> world &amp; all</speak>', "HTML", ["Hello.", "world & all"]),
        (
            "Text\n## Head ##\nMore ***both***, ~~gone~~, 这是**重点**。",
            "Markdown",
            ["Text.", "Head.", "More both, gone, 这是重点。"],
        ),
        ("Title\n=====\n\nBody of `a_b_c` and snake_case", "Markdown", ["Title.", "Body of a_b_c and snake_case"]),
        ("```python\nx = a*b*c # **no**\n```\nAfter", "Markdown", ["x = a*b*c # **no**.", "After"]),
        ("> quoted **here**\n\n- [x] done\n- [ ] open", "Markdown", ["quoted here.", "done. open"]),
        ('[![logo](a.png)](http://x.y) and ![a cat](b.png "t")', "Markdown", ["logo and a cat"]),
        ("See [this][1] and that[^2].\n\n[1]: http://x.y", None, ["See this and that."]),
        ("A line with \\*stars\\* and 2 * 3 * 4", None, ["A line with *stars* and 2 * 3 * 4"]),
        (
            "<p>Hello&nbsp;there</p><ul><li>one</li><li>two</li></ul><ol><li>first<li>second</ol><script>no()</script><p>End<br/>"
            "&lt;tag&gt; &#8212; x</p>",
            "HTML",
            ["Hello there.", "one. two.", "1. first. 2. second.", "End. <tag> — x"],
        ),
        (
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><img alt='A cat'>",
            "HTML",
            ["a, b. 1, 2.", "A cat"],
        ),
        ("<note>Hi <b>there</b></note><!-- not this -->", "HTML", ["Hi there"]),
        # No markup
        ("x<y and y>z, a < b > c, I <3 you", None, ["x<y and y>z, a < b > c, I <3 you"]),
        ("[main] Hello [Anna] [pause:1s] (there)", None, ["[main] Hello [Anna] [pause:1s] (there)"]),
        ("Q&A at R&D, #1 of 5*, 3 > 2_000", None, ["Q&A at R&D, #1 of 5*, 3 > 2_000"]),
        ("- one\n- two", None, ["one. two"]),
    ],
)
def test_what_is_heard_of_markup(text: str, markup: str | None, heard: list[str]) -> None:
    assert (markup_in(clean_text(text)), spoken(text)) == (markup, heard)


TAGS = "<p> </p> <li> <ol> </ol> <td> <!-- --> <script> </script> &amp; &nbsp;"
MARKS = r"a ** * _ ` ``` [x] (http://a) ![ ]( | |---| # > - 1. \ ~~ [^1] é"
SOUP = st.sampled_from([*TAGS.split(), *MARKS.split(), " ", "\n", "\n\n", "# ", "> ", "- ", "1. "])


@given(st.lists(SOUP, max_size=60).map("".join))
def test_any_soup_of_marks_has_a_reading(raw: str) -> None:
    text = clean_text(raw)
    markup_in(text)
    whole = plain_text(text)
    assert whole.text == text
    assert all("\n" not in paragraph.spoken for paragraph in paragraphs(whole))
