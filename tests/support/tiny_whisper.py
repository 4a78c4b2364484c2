"""A Whisper of a megabyte with random weights and a tokenizer of its own, which loads and runs through the real pipeline."""

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

hf: Any = transformers  # typed in part only

LANGUAGES = ("en", "zh", "de", "fr")
_SENTENCE = (
    " the quick brown fox jumps over lazy dog while seven wizards juggle bright yellow boxes near silent northern rivers "
    "every morning before sailors carry heavy golden barrels toward distant harbour"
)
WORDS = tuple(_SENTENCE.split())
TRANSCRIPT_WORDS = 13


def make_tiny_whisper(folder: Path, *, multilingual: bool = True) -> Path:
    """Write the checkpoint into ``folder`` (made if need be) and return it, for ``ASR_MODEL`` or a pipeline.

    Every transcript is ``TRANSCRIPT_WORDS`` different words of ``WORDS``; a multilingual model also chooses the language.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(multilingual)
    tokenizer.save_pretrained(folder)
    hf.WhisperFeatureExtractor().save_pretrained(folder)
    ids: dict[str, int] = tokenizer.get_vocab()
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = hf.WhisperConfig(
        vocab_size=len(ids),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_target_positions=64,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        init_std=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = hf.WhisperForConditionalGeneration(config)
    words = {ids[f"Ġ{word}"] for word in WORDS}
    choices: dict[str, Any] = {}
    if multilingual:
        choices["lang_to_id"] = {f"<|{language}|>": ids[f"<|{language}|>"] for language in LANGUAGES}
        choices["task_to_id"] = {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")}
    model.generation_config = hf.GenerationConfig(
        max_length=TRANSCRIPT_WORDS,
        no_repeat_ngram_size=1,
        suppress_tokens=sorted(set(ids.values()) - words),
        begin_suppress_tokens=[end],
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        no_timestamps_token_id=ids["<|notimestamps|>"],
        is_multilingual=multilingual,
        return_timestamps=False,
        **choices,
    )
    model.save_pretrained(folder)
    return folder


def _tokenizer(multilingual: bool) -> Any:
    """A byte-level BPE in which every word of ``WORDS`` is one token, with Whisper's special tokens after it."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, min_frequency=1, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    trained.train_from_iterator([_SENTENCE] * 2, trainer)
    languages = LANGUAGES if multilingual else LANGUAGES[:1]
    special = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{language}|>" for language in languages),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
    ]
    bpe = json.loads(trained.to_str())["model"]
    tokenizer: Any = hf.WhisperTokenizer(vocab=bpe["vocab"], merges=[tuple(merge) for merge in bpe["merges"]])
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    tokenizer.add_tokens([f"<|{step * 0.02:.2f}|>" for step in range(1501)])
    return tokenizer
