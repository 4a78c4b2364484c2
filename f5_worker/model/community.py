"""Models of other languages, as upstream lists them (SWivid/F5-TTS, src/f5_tts/infer/SHARED.md), by language.

Upstream's list says nothing of the Spanish model's files; they are those that its author's own programs load. Not here: Arabic
(silma-ai/silma-tts), which comes with a package and a configuration of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class CommunityModel:
    """One model of the hub: its files in ``repo``, and the configuration of f5-tts that it was trained with."""

    language: str
    repo: str
    checkpoint: str
    licence: str
    vocab: str = "vocab.txt"
    config: str = "F5TTS_Base"

    def source(self, path: str) -> str:
        """``path`` in the repository, as a setting names it."""
        return f"hf://{self.repo}/{path}"


_NC = "cc-by-nc-4.0"
COMMUNITY: Mapping[str, CommunityModel] = MappingProxyType(
    {
        "de": CommunityModel("German", "hvoss-techfak/F5-TTS-German", "model_f5tts_german.pt", _NC),
        "es": CommunityModel("Spanish", "jpgallegoar/F5-Spanish", "model_1200000.safetensors", "cc0-1.0"),
        "fi": CommunityModel(
            "Finnish",
            "AsmoKoskinen/F5-TTS_Finnish_Model",
            "model_common_voice_fi_vox_populi_fi_20241206.safetensors",
            _NC,
        ),
        "fr": CommunityModel("French", "RASPIAUDIO/F5-French-MixedSpeakers-reduced", "model_last_reduced.pt", _NC),
        "hi": CommunityModel(
            "Hindi", "SPRINGLab/F5-Hindi-24KHz", "model_2500000.safetensors", "cc-by-4.0", config="F5TTS_Small"
        ),
        "it": CommunityModel("Italian", "alien79/F5-TTS-italian", "model_159600.safetensors", _NC),
        "ja": CommunityModel(
            "Japanese", "Jmica/F5TTS", "JA_21999120/model_21999120.pt", _NC, vocab="JA_21999120/vocab_japanese.txt"
        ),
        "lv": CommunityModel("Latvian", "RaivisDejus/F5-TTS-Latvian", "model.safetensors", "cc0-1.0"),
        "ru": CommunityModel("Russian", "hotstone228/F5-TTS-Russian", "model_last.safetensors", _NC),
    }
)
"""By the short name that ``F5TTS_MODEL`` takes."""


def community_model(source: str) -> CommunityModel | None:
    """The model that ``source`` names: a short name, ``hf://owner/repo``, the checkpoint's folder there, or the checkpoint."""
    if (known := COMMUNITY.get(source.lower())) is not None:
        return known
    for model in COMMUNITY.values():
        folder = model.checkpoint.rpartition("/")[0]
        if source.rstrip("/") in (f"hf://{model.repo}", model.source(folder).rstrip("/"), model.source(model.checkpoint)):
            return model
    return None
