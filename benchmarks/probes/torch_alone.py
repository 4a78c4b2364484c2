"""What nothing can beat: torch is imported, and the checkpoint's bytes are read once."""

from benchmarks.probes.protocol import Probe

probe = Probe()

from pathlib import Path  # noqa: E402 - what is imported from here on is measured

_BLOCK = 16 * 1024 * 1024


def main() -> None:
    """Import, then read."""
    import torch
    import torchaudio  # noqa: F401

    probe.mark("imports")
    if probe.task.model_folder:
        folder, block = Path(probe.task.model_folder), bytearray(_BLOCK)
        for name in ("model.safetensors", "vocos/pytorch_model.bin"):
            with (folder / name).open("rb", buffering=0) as file:
                while file.readinto(block):
                    pass
        probe.mark("weights")
    probe.report.facts["threads"] = torch.get_num_threads()
    probe.finish()


if __name__ == "__main__":
    main()
