"""Transcripts of references that come without one: Whisper, loaded by the first clip that needs it."""

import time
from pathlib import Path
from typing import Any

from f5_worker import log
from f5_worker.audio.codec import resample
from f5_worker.audio.samples import Samples
from f5_worker.errors import CheckpointNotFoundError, ReferenceClipError, WorkerError
from f5_worker.mel import SAMPLE_RATE
from f5_worker.runtime import hub
from f5_worker.runtime.device import gpu_faults, half_precision
from f5_worker.runtime.load_errors import explain_load_error
from f5_worker.runtime.load_once import LoadOnce

_WITHOUT_HUB = "set ASR_MODEL to a folder on the network volume that holds a Whisper checkpoint"
_WAY_OUT = "Or send ref_text, the clip's transcript: then nothing has to be transcribed."


class Transcriber:
    """One Whisper checkpoint (a hub name or a folder) on one device, behind transformers' own pipeline. Thread-safe.

    A hub name is first looked for in RunPod's model cache, on ``network_volume``.
    Nothing is loaded before the first ``transcribe``; ``LoadOnce`` says what happens to several at once, and after a failure.
    """

    def __init__(
        self, model_name: str, device: str, *, retry_seconds: float = 30.0, network_volume: Path | None = None
    ) -> None:
        self._model_name = model_name
        self._device = device
        self._network_volume = network_volume
        self._pipeline = LoadOnce(self._load, lambda: retry_seconds)

    def transcribe(self, samples: Samples) -> str:
        """What is said in ``samples`` (mono float32 [n] at 24 kHz, up to 30 s), in the language that is spoken.

        Raises:
            ModelUnavailableError: Whisper cannot be loaded; the message also says the way out, which is to send ``ref_text``.
            ReferenceClipError: nothing was understood.
            SynthesisError: GPU memory ran out.
            CudaBrokenError: the CUDA context cannot be used any more.
        """
        pipeline = self._pipeline.get()
        import torch

        audio = resample(samples, SAMPLE_RATE, pipeline.feature_extractor.sampling_rate)
        fix = f"choose a larger GPU. {_WAY_OUT}"
        with gpu_faults("while the reference clip was transcribed", fix), torch.inference_mode():
            result = pipeline(audio, generate_kwargs=_generate_options(pipeline))
        text = str(result["text"]).strip()
        if not text:
            raise ReferenceClipError(
                "The automatic transcription found no words in the reference clip; send its transcript as ref_text, "
                "or a recording with clear speech.",
                field="ref_text",
            )
        return text

    def fetch(self, network_volume: Path) -> None:
        """Download what a load will need, by a thread that nobody waits for; what fails here is told by the load."""
        if self._pipeline.value is not None or self._pipeline.retry_in or _is_path(self._model_name):
            return
        try:
            for path in hub.hub_listing(self._model_name, network_volume):
                if path.endswith((".json", ".txt")) or (path.startswith("model") and path.endswith(".safetensors")):
                    hub.hub_file(f"{hub.SCHEME}{self._model_name}/{path}", "ASR_MODEL", network_volume)
        except WorkerError as error:
            log.warn(f"The transcription model was not fetched ahead: {error.message}")

    def pipeline(self) -> Any:
        """transformers' pipeline, loaded if need be.

        Raises:
            ModelUnavailableError: as ``transcribe``.
        """
        return self._pipeline.get()

    def _load(self) -> Any:
        log.info(f"Whisper loads: {_shown(self._model_name)}, downloaded first if it is not cached")
        started = time.monotonic()
        cached = self._network_volume and hub.whole_repository(self._model_name, self._network_volume)
        try:
            pipeline = _load_pipeline(str(cached or self._model_name), self._device)
        except Exception as error:
            what = f"the transcription model {_shown(self._model_name)}"
            explained = explain_load_error(error, what, without_hub=_WITHOUT_HUB).advise(_WAY_OUT)
            log.warn(f"Whisper did not load: {explained.message}")
            raise explained from error
        log.info(f"Whisper loaded: {_shown(self._model_name)} on {self._device} in {time.monotonic() - started:.1f} s")
        return pipeline


def _load_pipeline(model_name: str, device: str) -> Any:
    if _is_path(model_name) and not Path(model_name).is_dir():
        raise CheckpointNotFoundError(
            f"There is no folder {_shown(model_name)}, which ASR_MODEL names by its path; mount the volume that holds it, or "
            "correct the path."
        )
    import torch
    import transformers

    # Advice for notebooks, one line after another, and progress bars: a log has no use for them.
    chatter: Any = transformers.logging
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    return transformers.pipeline(
        "automatic-speech-recognition",
        model=model_name if _is_path(model_name) else hub.repository(model_name),
        dtype=torch.float16 if half_precision(device) else torch.float32,
        device=device,
    )


def _generate_options(pipeline: Any) -> dict[str, str]:
    # Multilingual checkpoints find the language by themselves but may translate; English ones refuse this option.
    config = getattr(pipeline.model, "generation_config", None)
    return {"task": "transcribe"} if getattr(config, "is_multilingual", False) else {}


def _is_path(model_name: str) -> bool:
    """Whether it is a folder's name, if perhaps of one that is missing, and none of the hub's."""
    return Path(model_name).is_absolute() or Path(model_name).is_dir()


def _shown(model_name: str) -> str:
    """The name without the folders of this machine."""
    return Path(model_name).name if _is_path(model_name) else model_name
