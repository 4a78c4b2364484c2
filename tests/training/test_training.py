"""The demo model's recipe: its forward pass is f5-tts's, and a run of a few steps ends with a model that makes sound."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from training.batches import Batches
from training.export import export
from training.flite import PHONES, teacher
from training.forward import embed_text, forward, upsample_index
from training.lessons import load, make_data, record
from training.schedule import Clock
from training.sentences import Corpus, pattern
from training.shape import INDEX, PACE, VOCABULARY, build_model
from training.speech import Peers, teach_speech
from training.spelling import teach_spelling
from training.verdict import judge
from training.vocoder import teach_vocoder

needs_flite = pytest.mark.skipif(
    None in map(shutil.which, ("flite", "espeak-ng")),
    reason="needs Debian's flite and espeak-ng",
)


def test_the_forward_pass_is_that_of_f5_tts() -> None:
    torch.manual_seed(0)
    dit = build_model().transformer.eval()
    for parameter in dit.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    lengths, frames = [20, 31], [190, 250]
    texts = [torch.randint(0, len(VOCABULARY), (length,)) for length in lengths]
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=-1)
    index = torch.full((2, max(frames)), -1)
    for row, (length, count) in enumerate(zip(lengths, frames, strict=True)):
        index[row, :count] = torch.from_numpy(upsample_index(length, count))
    x, cond, t = torch.randn(2, max(frames), 100), torch.randn(2, max(frames), 100), torch.tensor([0.3, 0.7])
    total, drop = torch.tensor(frames), torch.zeros(2, dtype=torch.bool)
    with torch.no_grad():
        text = embed_text(dit.text_embed, padded, torch.tensor(lengths), total, index, drop)
        ours = forward(dit, x, cond, text, t, torch.arange(max(frames))[None] < total[:, None])
        for row, count in enumerate(frames):
            part = slice(row, row + 1)
            theirs = dit(x=x[part, :count], cond=cond[part, :count], text=texts[row][None], time=t[part])
            assert float((theirs - ours[part, :count]).abs().max()) < 1e-4 * float(theirs.abs().max())


def test_the_learning_rate_rises_stays_and_falls() -> None:
    clock = Clock(minutes=0, peak=1.0, hold=0.4, steps=100, warm_up=10)
    rates = [clock.learning_rate() for _ in range(100)]
    assert rates[:9] == sorted(rates[:9])
    assert rates[10:39] == [1.0] * 29
    assert rates[40:] == sorted(rates[40:], reverse=True)
    assert (rates[-1], clock.part) == (0.02, 1.0)


@needs_flite
def test_the_teacher_tells_when_it_says_what() -> None:
    said = teacher().speak("Good morning, Anna.")
    assert said is not None
    assert len(said.starts) == 3
    assert {phone.name for phone in said.phones} <= set(PHONES)
    ends = [phone.end for phone in said.phones]
    assert ends == sorted(ends)
    assert ends[-1] <= len(said.samples) / 16_000 + 0.01
    assert record("Good morning , Anna.") is None  # three words for Flite, four between spaces


@needs_flite
def test_a_run_of_a_few_steps_ends_with_a_model_that_speaks(tmp_path: Path) -> None:
    random.seed(1)
    texts = [pattern() for _ in range(12)]
    assert {character for text in texts for character in text} <= INDEX.keys()
    make_data(Corpus(texts[:1], texts[:8], texts), tmp_path, part=0, parts=1, others=2)
    lessons = load(tmp_path, "lessons")
    assert all(len(lesson.mel) == pytest.approx(lesson.pace * len(lesson.text)) for lesson in lessons)
    assert len(load(tmp_path, "references")) == 3
    assert len(load(tmp_path, "spellings")) >= len(lessons) >= 6

    batches = Batches(tmp_path, 0)
    batches.be_late()
    batch = batches.draw(1000)
    assert bool((batch.index.max(1).values == batch.lengths - 1).all())
    assert 6 < PACE < 11

    teach_spelling(tmp_path, 0, steps=2)
    teach_vocoder(tmp_path, 0, steps=2)
    teach_speech(tmp_path, 0, Peers(), batch_frames=600, steps=2)
    model = tmp_path / "model"
    export(tmp_path, model)
    heard = judge(model, texts[:1])
    assert heard["teacher"].rate < 0.5
    assert heard["model"].count == heard["teacher"].count
