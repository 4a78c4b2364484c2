"""From text tokens and a reference mel to the mel of the whole utterance: F5-TTS's flow-matching ODE, one Euler step at a time.

The steps are those of ``CFM.sample`` (f5-tts, https://arxiv.org/abs/2410.06885) with torchdiffeq's ``euler`` method; they are
our own so that a stopped job ends at the next step, no trajectory is kept, and several chunks can share a pass through the DiT.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from f5_worker.model.engine import Engine


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceMel:
    """A voice as the model hears it: its log mel ``[n, d]`` on the model's device and in its dtype.

    ``gain`` undoes what was done to the reference's loudness: a generated wave comes out as loud as the reference is. It is
    (multiplier, divisor), since upstream rounds after each; ``None`` where the reference was loud enough. Of a quiet reference
    it is ``None`` too, and ``loudness`` says how loud the speech is to be instead (root mean square).
    """

    mel: "Tensor"
    gain: "tuple[Tensor, float] | None" = None
    loudness: float | None = None

    def level(self, wave: "Tensor") -> "Tensor":
        """A generated wave at the reference's own loudness."""
        if self.gain is None:
            return wave
        multiplier, divisor = self.gain
        return wave * multiplier.to(wave.device) / divisor


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One generation: a reference and one chunk of text behind it.

    ``tokens`` are vocabulary indices of both texts, int64 ``[nt]``; ``frames`` the wished length of the whole mel, reference
    included; ``seed`` starts the noise of this utterance alone.
    """

    tokens: "Tensor"
    frames: int
    seed: int
    reference: ReferenceMel


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the ODE is solved, in F5-TTS's names. Utterances may share a batch if, and only if, theirs are equal."""

    nfe_step: int
    cfg_strength: float
    sway_sampling_coef: float | None


def sample_mels(
    engine: "Engine",
    transformer: Any,
    utterances: Sequence[Utterance],
    guidance: Guidance,
    check_stopped: Callable[[], None],
) -> "list[Tensor]":
    """Solve the ODE for ``utterances`` together, each with a voice of its own; a result begins with its reference's frames.

    Args:
        transformer: the model's backbone (DiT; UNetT only with one utterance at a time).
        check_stopped: called before every step; raises to end the work.

    Returns:
        One mel ``[frames_i, d]`` per utterance, in the model's dtype. One alone equals ``CFM.sample`` bit for bit; in a batch
        each differs from that by rounding only, since attention and convolutions see its padding masked.
    """
    import torch

    mels = [item.reference.mel for item in utterances]
    device, dtype, channels = mels[0].device, mels[0].dtype, mels[0].shape[-1]
    lengths = [max(len(item.tokens) + 1, len(mel) + 1, item.frames) for item, mel in zip(utterances, mels, strict=True)]
    # A batch is masked anyway; attention kernels for masks want rows of whole 16 bytes.
    longest = max(lengths) if len(lengths) == 1 else -(-max(lengths) // 8) * 8

    condition = torch.zeros(len(utterances), longest, channels, device=device, dtype=dtype)
    noise = torch.zeros_like(condition)
    for row, (item, length) in enumerate(zip(utterances, lengths, strict=True)):
        condition[row, : len(item.reference.mel)] = item.reference.mel
        generator = torch.Generator(device=device).manual_seed(item.seed)
        noise[row, :length] = torch.randn(length, channels, device=device, dtype=dtype, generator=generator)
    tokens = torch.nn.utils.rnn.pad_sequence([item.tokens for item in utterances], batch_first=True, padding_value=-1).to(
        device
    )

    mask = None
    if len(utterances) > 1:
        mask = engine.lens_to_mask(torch.tensor(lengths, device=device), length=longest)
    try:
        _embed_text(transformer, utterances, lengths, longest, device)
        x = _euler(engine, transformer, noise, condition, tokens, mask, guidance, check_stopped)
    finally:
        transformer.clear_cache()
    for row, mel in enumerate(mels):
        x[row, : len(mel)] = mel
    return [x[row, :length] for row, length in enumerate(lengths)]


def _euler(
    engine: "Engine",
    transformer: Any,
    x: "Tensor",
    condition: "Tensor",
    tokens: "Tensor",
    mask: "Tensor | None",
    guidance: Guidance,
    check_stopped: Callable[[], None],
) -> "Tensor":
    import torch

    t = engine.get_epss_timesteps(guidance.nfe_step, device=x.device, dtype=x.dtype)
    if guidance.sway_sampling_coef is not None:
        t = t + guidance.sway_sampling_coef * (torch.cos(torch.pi / 2 * t) - 1 + t)
    guided = guidance.cfg_strength >= 1e-5
    for start, end in pairwise(t):
        check_stopped()
        flow = transformer(x=x, cond=condition, text=tokens, time=start, mask=mask, cfg_infer=guided, cache=True)
        if guided:
            conditioned, unconditioned = torch.chunk(flow, 2, dim=0)
            flow = conditioned + (conditioned - unconditioned) * guidance.cfg_strength
        x = x + (end - start) * flow
    return x


def _embed_text(
    transformer: Any, utterances: Sequence[Utterance], lengths: Sequence[int], longest: int, device: "torch.device"
) -> None:
    """Fill the backbone's text cache item by item: the ConvNeXt GRN mixes the whole sequence, so padding would leak into it."""
    import torch

    conditioned: list[Tensor] = []
    unconditioned: list[Tensor] = []
    for item, length in zip(utterances, lengths, strict=True):
        row, padding = item.tokens.unsqueeze(0).to(device), (0, 0, 0, longest - length)
        for embedded, drop_text in ((conditioned, False), (unconditioned, True)):
            text = transformer.text_embed(row, seq_len=length, drop_text=drop_text)[0]
            embedded.append(torch.nn.functional.pad(text, padding))
    transformer.text_cond, transformer.text_uncond = torch.stack(conditioned), torch.stack(unconditioned)
