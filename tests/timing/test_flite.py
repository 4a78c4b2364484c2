"""Words in what Debian's flite says, whose phones have exact times: three voices, words said and left out."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.word_times import Judgement, judge, together
from tests.support.word_truth import VOICES, said

pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed (Debian: flite)")

SENTENCES = """
    The quick delivery cost $45.99, and it arrived at 9:15 on Tuesday.
    Dr. Brown met Mrs. Allen at the well-known clinic on 5th Street.
    In 1998 about 2,300 people moved from the city to the coast.
    It is a matter of time until the old bridge can be opened again.
    Only 12% of the 850 students passed the final exam in May.
    If you go to the market, bring me some apples and a loaf of bread.
    Her sister-in-law works for the U.S. government in Washington.
    I would have told you, but you were asleep.
""".strip().splitlines()


@pytest.fixture(scope="module")
def judged() -> Judgement:
    """Every sentence, and each without every fifth word, in all voices."""
    return together([judge([said(voice, text.strip()) for text in SENTENCES], voice) for voice in VOICES])


def test_the_truth_is_what_flite_prints(tmp_path: Path) -> None:
    text = SENTENCES[1].strip()
    command = ["flite", "-voice", "slt", "-t", text, "-psdur", "-o", str(tmp_path / "said.wav")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    phones = [(name, float(end)) for name, end in re.findall(r"(\w+):([\d.]+)", printed)]
    spans = said("slt", text).spans
    ends = [end for name, end in phones if name != "pau"]
    assert all(any(abs(end - other) < 0.001 for other in ends) for _, end in spans)
    assert spans[0][0] == pytest.approx(phones[0][1], abs=0.001)  # a pause comes first
    assert spans[-1][1] == pytest.approx(ends[-1], abs=0.001)


def test_words_are_where_they_are_said(judged: Judgement) -> None:
    for found in (judged.starts, judged.ends):
        assert len(found) == judged.words == len(VOICES) * len(" ".join(SENTENCES).split())
        assert np.median(found) <= 25
        assert np.percentile(found, 90) <= 60
        assert np.mean(np.array(found) <= 100) >= 0.98


def test_dropped_words_are_found_and_hardly_another_is_doubted(judged: Judgement) -> None:
    assert judged.dropped >= 90
    assert len(judged.missed) <= 0.05 * judged.dropped, judged.missed
    # flite's breath is random noise, so that the very words differ from run to run; measured: 0.003.
    doubted = [*judged.doubted, *judged.doubted_beside]
    assert len(doubted) <= 0.01 * (judged.words + judged.beside), doubted
