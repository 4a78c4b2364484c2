"""What other speech services call things: from their names of fields and formats to ours.

The names are those of F5-TTS, OpenAI, ElevenLabs, Coqui XTTS, Fish Audio, Chatterbox, CosyVoice, GPT-SoVITS, Piper, the cloud
services and RunPod's console. They are compared without case, ``_`` and ``-``: ``refAudio`` is ``ref_audio``.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from f5_worker.formats import CONTENT_TYPES, FORMATS

_URL, _DATA_URL = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.I), re.compile(r"\s*data:", re.I)
# Long, or with the first bytes of a sound file: RIFF, OggS, fLaC, ID3, EBML.
_BASE64 = re.compile(r"\s*(?:[A-Za-z0-9+/_-]{200,}|(?:UklGR|T2dnU|ZkxhQ|SUQz|GkXfo)[A-Za-z0-9+/_-]+)={0,2}\s*")
_SCANNED_CHARS = 4_096  # of a value that may be base64 of any length

CLIPS = (("local_voice", "ref_audio_base64"), ("voice_file_url", "voice_base64"))
"""Fields that exclude each other: where a clip lies, and the clip itself."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What to do with an unknown field: ``sentence`` ends it, ``field`` is the one of ours that was meant."""

    sentence: str
    field: str | None = None


# Ours by theirs; of several, the first that the endpoint has. A clip's fields are chosen by the value too (_by_value).
_FIELDS: Mapping[tuple[str, ...], str] = {
    ("text",): "gen_text generate_text generation_text target_text tts_text input_text text_input text_to_speak text_prompt "
    "prompt input sentence sentences content contents message script speech utterance words body paragraph line lines query q "
    "transcript_text full_text",
    ("local_voice", "voice_file_url"): "voice_url voice_file voice_file_url voice_path voice_sample voice_audio voice_clone "
    "voice_ref voice_reference speaker_wav speaker_audio speaker_url speaker_file speaker_embedding spk_wav ref_audio "
    "ref_audio_url ref_audio_path ref_audio_file ref_audio_input ref_audio_orig ref_file ref_path ref_url ref_voice ref_wav "
    "ref_wav_path ref_wav_url ref reference reference_audio reference_audio_url reference_audio_path reference_audio_file "
    "reference_file reference_url reference_voice reference_wav reference_clip reference_speaker references audio_prompt "
    "audio_prompt_url audio_prompt_path audio_ref audio_reference audio_sample prompt_audio prompt_audio_url "
    "prompt_audio_path prompt_wav prompt_wav_path prompt_speech prompt_speech_16k input_audio init_audio source_audio "
    "sample_audio clone_audio audio_url audio_path audio_file audio file file_url url wav wav_url clip clip_url",
    ("local_voice", "voice_name"): "voice voice_id voice_name voice_preset voice_key clone_voice speaker speaker_id "
    "speaker_name speaker_voice spk spk_id reference_id narrator character actor timbre local_voice",
    ("ref_audio_base64", "voice_base64"): "ref_audio_b64 ref_audio_data ref_base64 ref_b64 reference_audio_base64 "
    "reference_audio_b64 reference_base64 reference_audio_data audio_base64 audio_b64 audio_data audio_bytes audio_content "
    "base64 base64_audio b64 voice_b64 voice_data voice_base64 speaker_wav_base64 speaker_audio_base64 speaker_base64 "
    "speaker_b64 prompt_audio_base64 audio_prompt_base64 voice_audio_base64 ref_audio_base64 data",
    ("ref_text",): "reference_text ref_transcript ref_transcription ref_audio_text ref_text_input reference_transcript "
    "reference_transcription prompt_text prompt_transcript transcript transcription speaker_text speaker_transcript "
    "voice_text voice_transcript audio_text audio_prompt_text audio_transcript text_ref sample_text original_text",
    ("voice_name",): "name filename file_name voice voice_id local_voice id key title",
    ("speed",): "speaking_rate speech_rate speech_speed voice_speed speed_factor speed_rate speed_ratio rate tempo pace "
    "playback_speed audio_speed atempo velocity",
    ("seed",): "random_seed rng_seed manual_seed noise_seed sampling_seed torch_seed seed_value",
    ("nfe_step",): "nfe nfe_steps steps step num_steps n_steps inference_steps num_inference_steps sample_steps "
    "sampling_steps diffusion_steps ode_steps denoising_steps flow_steps n_timesteps num_timesteps timesteps "
    "inference_timesteps quality_steps",
    ("cfg_strength",): "cfg cfg_scale cfg_value cfg_weight cfg_rate cfg_coef cfg_guidance guidance guidance_scale "
    "guidance_strength guidance_weight classifier_free_guidance inference_cfg_rate",
    ("sway_sampling_coef",): "sway sway_coef sway_sampling sway_sampling_coefficient",
    ("target_rms",): "rms volume loudness gain target_loudness volume_gain_db level",
    ("cross_fade_duration",): "cross_fade crossfade cross_fade_seconds crossfade_seconds fade_duration",
    ("fix_duration",): "duration fixed_duration target_duration total_duration audio_length length_seconds",
    ("remove_silence",): "remove_silences remove_silent trim_silence strip_silence cut_silence skip_silence",
    ("output_format", "format"): "response_format format audio_format audio_encoding encoding codec container file_format "
    "file_type filetype output_type output_audio_format response_audio_format output_extension extension ext media_type "
    "mime_type mime content_type accept output_encoding type",
    ("sample_rate",): "sampling_rate sample_rate_hertz sample_rate_hz output_sample_rate audio_sample_rate sr rate_hz hz "
    "frame_rate framerate target_sample_rate",
    ("return_word_timings",): "timestamps with_timestamps return_timestamps word_timestamps word_timings word_timing "
    "enable_word_timestamps return_word_timestamps return_timings timestamp_granularities enable_time_pointing align "
    "alignment return_alignment subtitles generate_subtitles subtitle captions",
    ("timing_format",): "subtitle_format subtitles_format caption_format timestamp_format srt_format",
    ("timing_method",): "alignment_method timestamp_method aligner",
    ("subtitle_words",): "words_per_subtitle words_per_caption max_words_per_line",
    ("normalize_text",): "normalize normalise normalise_text text_normalization text_normalisation apply_text_normalization "
    "apply_tn enable_text_normalization normalization use_normalizer",
    ("plain_text",): "strip_markdown markdown strip_html clean_text html",
    ("paragraph_pause",): "pause paragraph_silence sentence_silence paragraph_gap sentence_pause pause_duration "
    "silence_duration",
    ("voices",): "speakers speaker_map speaker_voices multi_speaker characters voice_map cast",
    ("items",): "texts batch jobs requests gen_texts prompts inputs segments utterances",
    ("stream_format",): "streaming_format chunk_format",
    ("deterministic",): "reproducible exact bit_exact own_batches",
    ("job_id",): "id job jobid request_id result_id task_id uuid",
    ("voice_base64",): "file_base64 file_data",
    ("type",): "kind result_type file_kind",
    ("inline",): "include_data return_data embed as_base64 base64",
    ("overwrite",): "replace force update exist_ok",
    ("bucketName",): "bucket bucket_name s3_bucket",
    ("accessId",): "access_key access_key_id key_id key aws_access_key_id access access_id username",
    ("accessSecret",): "secret secret_key secret_access_key access_key_secret aws_secret_access_key password access_secret",
    ("endpointUrl",): "endpoint url endpoint_url aws_endpoint_url host service_url bucket_endpoint_url",
}  # fmt: skip

# What nothing here takes: what it would have meant, and how that is done. Only what changes no speech is to be left out.
_WAYS: Mapping[str, str] = {
    "language languages lang lang_code language_code language_id language_boost target_language tts_language text_language "
    "text_lang prompt_language prompt_lang locale accent": "the language is the model's own, and F5TTS_MODEL on the endpoint "
    "chooses that (by default one that speaks English and Chinese)",
    "model model_id model_name model_type model_choice model_path tts_model ckpt ckpt_file checkpoint vocab_file model_cfg "
    "engine vocoder vocoder_name backend weights lora": "the endpoint has one model for all jobs; set F5TTS_MODEL there",
    "instructions instruct instruction instruct_text style styles style_prompt speaking_style emotion emotions emotion_prompt "
    "emo_text mood tone exaggeration expressiveness voice_settings voice_setting stability similarity similarity_boost "
    "use_speaker_boost style_weight pitch pitch_shift intonation description": "F5-TTS takes the manner of speaking from the "
    "reference clip; choose or send a clip that is spoken in that manner",
    "stream streaming stream_mode streaming_mode stream_response enable_streaming optimize_streaming_latency latency "
    "stream_chunk_size chunked": "a job does not choose streaming, the endpoint does; the last part is always the whole "
    "answer",
    "ssml input_type use_ssml": "there is no SSML; send plain text",
    "n num_outputs num_samples num_generations best_of num_return_sequences": "a job makes one take; send one job for each, "
    "with other seeds",
    "temperature top_p top_k min_p repetition_penalty length_penalty do_sample num_beams sampling max_tokens max_new_tokens "
    "presence_penalty frequency_penalty gpt_cond_len": "F5-TTS has no sampling of tokens, so nothing corresponds to it; leave "
    "it out (seed and cfg_strength change a take)",
    "length_scale": "length is set by speed, which is its inverse (length_scale 1.25 is speed 0.8)",
    "split_sentences enable_text_splitting text_splitting text_split_method split_text split_pattern split_type max_chars "
    "max_chars_per_chunk chunk_length chunk_size batch_size split_bucket crossfade_chunks": "long texts are split at "
    "sentences and joined without being asked; leave it out",
    "api_name fn_index session_hash trigger_id event_data api_key xi_api_key authorization show_progress verbose debug user "
    "user_id": "it has no effect on speech; leave it out",
    "webhook webhook_url callback callback_url policy execution_timeout ttl": "it is for the platform; send RunPod's webhook "
    "and policy beside input, not in it",
    "s3_config s3 bucket_creds bucket": "a bucket of the job's own goes into s3Config, which stands beside input, not in it",
    "output_file output_path output_filename file_path save_path output_dir save_to out": "the answer says where the file is; "
    "leave it out",
    "device use_cuda gpu fp16 half dtype precision use_gpu": "the worker chooses by itself, or by F5TTS_DEVICE on the "
    "endpoint; leave it out",
    "region aws_region region_name": "the region belongs to the endpoint; set AWS_REGION there",
}  # fmt: skip

# Formats of theirs by ours; media types come from the tables of formats.
_FORMATS: Mapping[str, str] = {
    "ogg": "vorbis ogg_opus ogg_vorbis ogg_48khz webm",
    "mp3": "mpeg mpga mp2 mp4 m4a aac",
    "wav": "wave riff riff_24khz_16bit_mono_pcm x_wav",
    "pcm": "pcm16 pcm_16 pcm_s16le s16le s16 l16 linear16 lpcm raw int16 slin slin16",
    "ulaw": "mulaw mu_law u_law g711 g711_ulaw g711u pcmu pcm_mulaw basic 8bit_mulaw",
    "alaw": "a_law g711_alaw g711a pcma pcm_alaw",
}


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _turned(table: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(their name, what it stands for) of a table whose keys are lists of names."""
    for names, meaning in table.items():
        yield from ((_key(name), meaning) for name in names.split())


_OURS: dict[str, list[str]] = {}
for _ours, _theirs in _FIELDS.items():
    for _name in _theirs.split():
        _OURS.setdefault(_key(_name), []).extend(_ours)
_WAY_OF: Mapping[str, str] = MappingProxyType(dict(_turned(_WAYS)))
_FORMAT_OF: Mapping[str, str] = MappingProxyType(
    {_key(theirs): ours for ours, names in _FORMATS.items() for theirs in names.split()}
    | {_key(media): name for name, media in CONTENT_TYPES["audio"].items()}
)


def hint(name: object, value: object, fields: Collection[str], given: Collection[str]) -> Hint | None:
    """What ``name`` with ``value`` likely means among ``fields``; ``None``: nothing is known of it.

    ``given`` are the fields that the job has already; none of these is ever suggested.
    """
    key = _key(name[:_SCANNED_CHARS]) if isinstance(name, str) else ""
    if key == "input" and isinstance(value, Mapping):
        return Hint("the fields are wrapped twice; put them into input itself.")
    meant = [field for field in fields if _key(field) == key]
    meant = meant or [field for field in _by_value(_OURS.get(key, []), value) if field in fields]
    if not meant:
        return Hint(_WAY_OF[key] + ".") if key in _WAY_OF else None
    return suggestion(meant[0], given)


def suggestion(field: str, given: Collection[str]) -> Hint:
    """``field`` as the likely one, unless it or its rival is there already."""
    rivals = next((pair for pair in CLIPS if field in pair), (field,))
    if (there := next((rival for rival in rivals if rival in given), None)) is None:
        return Hint(f"did you mean {field}?", field)
    return Hint(f"it means the same as {there}; send one of them.")


def format_meant(value: str) -> str | None:
    """Our name of an audio format that another service calls ``value``: ``mp3_44100_128``, ``audio/mpeg``, ``g711_ulaw``."""
    if (known := _FORMAT_OF.get(_key(value))) is not None:
        return known
    first = re.split(r"[\W_]+", value.lower().lstrip("."), maxsplit=1)[0]
    return first if first in FORMATS else _FORMAT_OF.get(first)


def looks_like_base64(value: str) -> bool:
    """Whether ``value`` is a clip's data rather than where it lies."""
    start = value[:_SCANNED_CHARS]
    return bool(_DATA_URL.match(start) or _BASE64.fullmatch(start.replace("\r", "").replace("\n", "")))


def looks_like_url(value: str) -> bool:
    """Whether ``value`` begins as a URL does."""
    return bool(_URL.match(value[:_SCANNED_CHARS]))


def _by_value(ours: list[str], value: object) -> list[str]:
    """``ours`` with the clip's fields as the value wants them: data go where data go, a URL where a URL goes."""
    if not isinstance(value, str) or not (looks_like_base64(value) or looks_like_url(value)):
        return ours
    place = 1 if looks_like_base64(value) else 0
    chosen = [pair[place] for pair in CLIPS if set(pair) & set(ours)]
    return [*chosen, *ours]
