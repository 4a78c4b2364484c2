"""The worker's inference path, imported after the SDK, which is there before any request."""

from benchmarks.probes.protocol import Probe

probe = Probe()

import handler  # noqa: E402, F401

probe.mark("SDK")


def main() -> None:
    """Import what a first request needs for the model and its speech."""
    from f5_worker.model.engine import load_engine

    load_engine()
    import safetensors  # noqa: F401
    import yaml  # noqa: F401

    from f5_worker.model import load as model_loading  # noqa: F401
    from f5_worker.speech import synthesis  # noqa: F401

    probe.mark("imports")
    probe.finish()


if __name__ == "__main__":
    main()
