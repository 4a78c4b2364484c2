"""f5-tts's DiT, forward: what ``DiT.forward`` gives for each item alone, at less cost for a batch of short texts."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere
from numpy.typing import NDArray
from torch import Tensor

_EDGE = 4  # empty positions that are computed behind each text: more than the convolutions reach, one stands for the rest


def upsample_index(characters: int, frames: int) -> NDArray[np.int64]:
    """Which character each frame belongs to [frames], as F5's ``average_upsample_text_by_mask`` has it."""
    base, rest = divmod(frames, characters)
    number = np.arange(characters)
    return np.repeat(number, np.where(number >= characters - rest, base + 1, base))


def embed_text(module: Any, tokens: Tensor, lengths: Tensor, frames: Tensor, index: Tensor, drop: Tensor) -> Tensor:
    """Text for every frame [b, frames, d].

    f5-tts runs the convolutions over as many positions as there are frames. The empty ones are all alike, but the GRN's norm
    counts them: so one of them is computed, and counted as often as it would occur.

    Args:
        tokens: [b, n], padded with -1; ``lengths`` [b] of them are real.
        frames: [b] of each whole item.
        index: [b, frames] of ``upsample_index``, padded with -1.
        drop: [b], true where the model is to see no text.
    """
    count = tokens.shape[1] + _EDGE
    ids = torch.where(drop[:, None], 0, F.pad(tokens, (0, _EDGE), value=-1) + 1)
    empty = (torch.arange(count)[None] >= lengths[:, None])[..., None]
    x = (module.text_embed(ids) + module.freqs_cis[:count]).masked_fill(empty, 0.0)
    more = (frames - count).clamp(min=0).to(x.dtype)[:, None, None]
    for block in module.text_blocks:
        h = block.dwconv(x.transpose(1, 2)).transpose(1, 2)
        h = block.act(block.pwconv1(block.norm(h)))
        wide = h.float()
        norm = (wide.square().sum(1, keepdim=True) + more * wide[:, -1:].square()).sqrt()
        h = block.grn.gamma * (h * (norm / (norm.mean(-1, keepdim=True) + 1e-6))) + block.grn.beta + h
        x = (x + block.pwconv2(h)).masked_fill(empty, 0.0)
    embedded: Tensor = torch.gather(x, 1, index.clamp(min=0)[..., None].expand(-1, -1, x.shape[-1]))
    return embedded * (index >= 0)[..., None]


def forward(dit: Any, x: Tensor, cond: Tensor, text: Tensor, t: Tensor, mask: Tensor | None) -> Tensor:
    """The flow [b, frames, 100] at times ``t`` [b], with the text embedded already; ``mask`` [b, frames] tells real frames.

    Plain matrix products were 1.7 times as fast as the fused attention on two CPU cores.
    """
    t = dit.time_embed(t)
    h = dit.input_embed(x, cond, text, audio_mask=mask)
    b, n = x.shape[:2]
    kind = torch.bfloat16 if torch.is_autocast_enabled("cpu") else h.dtype
    angles = dit.rotary_embed.forward_from_seq_len(n)[0]
    angles = angles.reshape(-1, angles.shape[-1])[:, 0::2].float()
    cos, sin = angles.cos()[None, None].to(kind), angles.sin()[None, None].to(kind)
    hide = None if mask is None else torch.zeros(b, 1, 1, n, dtype=kind).masked_fill(~mask[:, None, None], -1e4)
    for block in dit.transformer_blocks:
        y, gate, shift_ff, scale_ff, gate_ff = block.attn_norm(h, emb=t)
        attention = block.attn
        layers = (attention.to_q, attention.to_k, attention.to_v)
        q, k, v = (layer(y).view(b, n, attention.heads, -1).transpose(1, 2) for layer in layers)
        scores = torch.matmul(_rotate(q, cos, sin) * q.shape[-1] ** -0.5, _rotate(k, cos, sin).transpose(-1, -2))
        weights = (scores if hide is None else scores + hide).softmax(-1)
        y = torch.matmul(weights, v).transpose(1, 2).reshape(b, n, -1)
        h = h + gate[:, None] * attention.to_out[0](y)
        h = h + gate_ff[:, None] * block.ff(block.ff_norm(h) * (1 + scale_ff[:, None]) + shift_ff[:, None])
    flow: Tensor = dit.proj_out(dit.norm_out(h, t))
    return flow


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)
