"""The voice of jobs that name none: the reference clip that the f5-tts package ships."""

from f5_worker.errors import PackageMissingError
from f5_worker.runtime.packages import package_folder
from f5_worker.voice.reference import VoiceFile

BUILTIN_VOICE = "built-in"


def builtin_voice() -> VoiceFile:
    """F5-TTS's English example, read from the installed package without importing it.

    Raises:
        PackageMissingError: f5-tts is not installed, or was installed without its examples.
    """
    clip = package_folder("f5_tts") / "infer" / "examples" / "basic" / "basic_ref_en.wav"
    try:
        data = clip.read_bytes()
    except OSError as error:
        raise PackageMissingError(
            "The built-in voice is missing from the installed f5-tts package; install it again, or send a voice of your own.",
            package="f5_tts",
        ) from error
    return VoiceFile(BUILTIN_VOICE, data, "Some call me nature, others call me mother nature.")
