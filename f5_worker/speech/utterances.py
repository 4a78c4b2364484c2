"""What the model is given to speak: tokens and lengths of a plan's chunks, and the mels of their voices."""

from collections.abc import Sequence

from f5_worker.audio.silence import speech_level
from f5_worker.mel import SAMPLE_RATE
from f5_worker.model.load import LoadedModel
from f5_worker.speech.plan import SHORT_TEXT_BYTES, ChunkPlan, spoken_ref_text
from f5_worker.speech.sampler import ReferenceMel, Utterance
from f5_worker.voice.reference import Reference


def utterances_of(model: LoadedModel, plan: Sequence[ChunkPlan], target_rms: float) -> list[Utterance]:
    """One for each chunk, in order; the mel of each voice is made once."""
    voices = dict.fromkeys(item.reference for item in plan)
    mels = {reference: _reference_mel(model, reference, target_rms) for reference in voices}
    return [_utterance(model, item, mels[item.reference]) for item in plan]


def _reference_mel(model: LoadedModel, reference: Reference, target_rms: float) -> ReferenceMel:
    """The voice at ``target_rms`` where it is quieter, as ``infer_batch_process`` brings it there.

    Upstream makes the result as quiet as the clip was. Here that is so only where the clip's speech, without its pauses, is at
    ``target_rms``; quieter speech comes out at it.
    """
    import torch

    audio = torch.from_numpy(reference.samples).unsqueeze(0)
    rms = torch.sqrt(torch.mean(torch.square(audio)))
    raised = bool(rms < target_rms)
    quiet = raised and speech_level(reference.samples, SAMPLE_RATE) < target_rms
    if raised:
        audio = audio * target_rms / rms
    mel = model.cfm.mel_spec(audio.to(model.device)).permute(0, 2, 1)[0].to(model.dtype)
    return ReferenceMel(mel, (rms, target_rms) if raised and not quiet else None, target_rms if quiet else None)


def _utterance(model: LoadedModel, item: ChunkPlan, reference: ReferenceMel) -> Utterance:
    characters = model.vocabulary.tokens(spoken_ref_text(item.reference) + item.spoken)
    tokens = model.engine.list_str_to_idx([characters], model.vocab)[0]
    return Utterance(tokens, _frames(model, item, len(tokens), len(reference.mel)), item.seed, reference)


def _frames(model: LoadedModel, item: ChunkPlan, tokens: int, ref_frames: int) -> int:
    """Those that were planned; but a model that spreads the whole text evenly over all frames speaks short texts, too, at the
    reference's pace: where the rule slows them down, it would say the end of the reference's text again."""
    text_embed = getattr(model.cfm.transformer, "text_embed", None)
    if not getattr(text_embed, "average_upsampling", False) or len(item.spoken.encode()) >= SHORT_TEXT_BYTES:
        return item.frames
    ref_tokens = len(model.vocabulary.tokens(spoken_ref_text(item.reference)))
    return min(item.frames, ref_frames * tokens // ref_tokens)
