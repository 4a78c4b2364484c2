"""From text tokens and a reference mel to the mel of the whole utterance: F5-TTS's flow-matching ODE, one Euler step at a time.

The steps are those of ``CFM.sample`` (f5-tts, https://arxiv.org/abs/2410.06885) with torchdiffeq's ``euler`` method; they are
our own so that a stopped job ends at the next step, no trajectory is kept, and several chunks can share a pass through the DiT.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from f5_worker.model.engine import Engine

Tensor = Any


@dataclass(frozen=True, slots=True)
class Utterance:
    """One generation: the reference and one chunk of text behind it.

    ``tokens`` are vocabulary indices, int64 ``[nt]``; ``frames`` the wished length of the whole mel, reference included;
    ``seed`` starts the noise of this utterance alone.
    """

    tokens: Tensor
    frames: int
    seed: int


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the ODE is solved; names and defaults as in F5-TTS."""

    nfe_step: int = 32
    cfg_strength: float = 2.0
    sway_sampling_coef: float | None = -1.0


def sample_mels(
    engine: Engine,
    transformer: Any,
    reference_mel: Tensor,
    utterances: Sequence[Utterance],
    guidance: Guidance,
    check_stopped: Callable[[], None],
) -> list[Tensor]:
    """Solve the ODE for ``utterances`` together; the first ``len(reference_mel)`` frames of each result are the reference.

    Args:
        transformer: the model's backbone (DiT; UNetT only with one utterance at a time).
        reference_mel: log mel of the reference, ``[n, d]``, on the model's device and in its dtype.
        check_stopped: called before every step; raises to end the work.

    Returns:
        One mel ``[frames_i, d]`` per utterance, in the model's dtype. One alone equals ``CFM.sample`` bit for bit; in a batch
        each differs from that by rounding only, since attention and convolutions see its padding masked.
    """
    torch = engine.torch
    device, dtype, channels = reference_mel.device, reference_mel.dtype, reference_mel.shape[-1]
    known = reference_mel.shape[0]
    lengths = [max(len(item.tokens) + 1, known + 1, item.frames) for item in utterances]
    # A batch is masked anyway; attention kernels for masks want rows of whole 16 bytes.
    longest = max(lengths) if len(lengths) == 1 else -(-max(lengths) // 8) * 8
    pad = torch.nn.functional.pad

    condition = pad(reference_mel, (0, 0, 0, longest - known)).unsqueeze(0).expand(len(utterances), -1, -1)
    noise = torch.zeros(len(utterances), longest, channels, device=device, dtype=dtype)
    for row, (item, length) in enumerate(zip(utterances, lengths, strict=True)):
        generator = torch.Generator(device=device).manual_seed(item.seed)
        noise[row, :length] = torch.randn(length, channels, device=device, dtype=dtype, generator=generator)
    tokens = torch.nn.utils.rnn.pad_sequence([item.tokens for item in utterances], batch_first=True, padding_value=-1).to(
        device
    )

    mask = None
    if len(utterances) > 1:
        mask = engine.lens_to_mask(torch.tensor(lengths, device=device), length=longest)
    try:
        _embed_text(torch, transformer, utterances, lengths, longest, device)
        x = _euler(engine, transformer, noise, condition, tokens, mask, guidance, check_stopped)
    finally:
        transformer.clear_cache()
    x[:, :known] = condition[:, :known]
    return [x[row, :length] for row, length in enumerate(lengths)]


def _euler(
    engine: Engine,
    transformer: Any,
    x: Tensor,
    condition: Tensor,
    tokens: Tensor,
    mask: Tensor | None,
    guidance: Guidance,
    check_stopped: Callable[[], None],
) -> Tensor:
    torch = engine.torch
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
    torch: Any, transformer: Any, utterances: Sequence[Utterance], lengths: Sequence[int], longest: int, device: Any
) -> None:
    """Fill the backbone's text cache item by item: the ConvNeXt GRN mixes the whole sequence, so padding would leak into it."""
    conditioned: list[Tensor] = []
    unconditioned: list[Tensor] = []
    for item, length in zip(utterances, lengths, strict=True):
        row, padding = item.tokens.unsqueeze(0).to(device), (0, 0, 0, longest - length)
        for embedded, drop_text in ((conditioned, False), (unconditioned, True)):
            text = transformer.text_embed(row, seq_len=length, drop_text=drop_text)[0]
            embedded.append(torch.nn.functional.pad(text, padding))
    transformer.text_cond, transformer.text_uncond = torch.stack(conditioned), torch.stack(unconditioned)
