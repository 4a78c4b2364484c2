"""A tiny model of the real architecture with random weights, made on the spot: the whole pipeline without any download."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any

from f5_worker.mel import HOP_LENGTH, N_FFT, N_MEL_CHANNELS, SAMPLE_RATE
from f5_worker.model.architecture import build_architecture
from f5_worker.model.engine import Engine, load_engine
from f5_worker.model.files import SMOKE_MODEL, ModelFiles, official_vocab
from f5_worker.temporary import own_folder

SMOKE_CONFIG: dict[str, Any] = {
    "model": {
        "name": SMOKE_MODEL,
        "tokenizer": "custom",
        "backbone": "DiT",
        "arch": {
            "dim": 64,
            "depth": 2,
            "heads": 2,
            "dim_head": 32,
            "ff_mult": 2,
            "text_dim": 32,
            "text_mask_padding": True,
            "conv_layers": 2,
        },
        "mel_spec": {
            "target_sample_rate": SAMPLE_RATE,
            "n_mel_channels": N_MEL_CHANNELS,
            "hop_length": HOP_LENGTH,
            "win_length": N_FFT,
            "n_fft": N_FFT,
            "mel_spec_type": "vocos",
        },
    }
}


def vocoder_config(*, dim: int, intermediate_dim: int, num_layers: int) -> dict[str, Any]:
    """A Vocos configuration of that size for F5-TTS's mel, shaped as that of charactr/vocos-mel-24khz."""
    frames = {"n_fft": N_FFT, "hop_length": HOP_LENGTH, "padding": "center"}
    return {
        "feature_extractor": {
            "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
            "init_args": {"sample_rate": SAMPLE_RATE, "n_mels": N_MEL_CHANNELS, **frames},
        },
        "backbone": {
            "class_path": "vocos.models.VocosBackbone",
            "init_args": {
                "input_channels": N_MEL_CHANNELS,
                "dim": dim,
                "intermediate_dim": intermediate_dim,
                "num_layers": num_layers,
            },
        },
        "head": {
            "class_path": "vocos.heads.ISTFTHead",
            "init_args": {"dim": dim, **frames},
        },
    }


_SMOKE_VOCODER = vocoder_config(dim=32, intermediate_dim=64, num_layers=2)


def make_model_folder(folder: Path, config: dict[str, Any] | None = None, vocoder: dict[str, Any] | None = None) -> ModelFiles:
    """Write a model folder with random weights, the same ones every time, in the layout that ``F5TTS_MODEL=<folder>`` reads.

    ``config`` and ``vocoder`` choose another size (the benchmarks make one of full size).

    Raises:
        PackageMissingError: when the packages of the model are missing.
    """
    engine = load_engine()
    import yaml
    from safetensors.torch import save_file  # which imports torch

    config, vocoder = config or SMOKE_CONFIG, vocoder or _SMOKE_VOCODER
    files = ModelFiles.in_folder(SMOKE_MODEL, folder)
    files.vocoder_config.parent.mkdir(parents=True, exist_ok=True)
    copyfile(official_vocab(), files.vocab)
    files.config.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    files.vocoder_config.write_text(yaml.safe_dump(vocoder, sort_keys=False), encoding="utf-8")

    model = build_architecture(engine, files)
    _randomise(engine, model.cfm)
    save_file({f"ema_model.{name}": tensor for name, tensor in model.cfm.state_dict().items()}, files.checkpoint)
    _randomise(engine, model.vocoder)
    engine.torch.save(model.vocoder.state_dict(), files.vocoder_weights)
    return files


def _randomise(engine: Engine, module: Any) -> None:
    """Seeded values in every parameter: F5-TTS zeroes its last layers, which would leave the text without any effect."""
    torch = engine.torch
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else parameter.numel()
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * fan_in**-0.5)


@contextmanager
def smoke_model_files() -> Iterator[ModelFiles]:
    """The smoke model in a temporary folder, gone at exit; what was mapped from it stays valid."""
    with own_folder() as folder:
        yield make_model_folder(folder)
