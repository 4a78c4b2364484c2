"""Stock F5-TTS, imported."""

from benchmarks.probes.protocol import Probe

probe = Probe()


def main() -> None:
    """Import what stock's users import."""
    from f5_tts.api import F5TTS  # noqa: F401

    probe.mark("imports")
    probe.finish()


if __name__ == "__main__":
    main()
