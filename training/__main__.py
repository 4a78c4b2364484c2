"""The command: ``python -m training FOLDER``; see the package's docstring."""

import argparse
import multiprocessing
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.export import export
from training.lessons import make_data
from training.sentences import corpus
from training.speech import Peers, teach_speech
from training.spelling import teach_spelling
from training.verdict import judge
from training.vocoder import teach_vocoder

PROCESSES = 2
MINUTES = {"spelling": 16.0, "vocoder": 38.0, "speech": 86.0}
"""What the parts take on one core each, and the speech on two."""

Call = tuple[Callable[..., None], tuple[Any, ...]]


def together(what: str, *calls: Call) -> None:
    """Run the calls at once, each in a process of its own.

    Raises:
        RuntimeError: one of them failed; the others are ended.
    """
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=function, args=arguments) for function, arguments in calls]
    for process in processes:
        process.start()
    try:
        while running := [process for process in processes if process.exitcode is None]:
            running[0].join(1)
            if any(process.exitcode for process in processes):
                raise RuntimeError(f"{what} failed")
    finally:
        for process in processes:
            process.kill()
            process.join()
    print(f"{what}: done in {(time.monotonic() - started) / 60:.1f} min", flush=True)


def free_port() -> int:
    """One for the processes to meet at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m training", description="Make the demo model.")
    parser.add_argument("folder", type=Path, help="where the model goes; what it is made from goes into FOLDER/data")
    parser.add_argument("--texts", type=int, default=6000, help="how many are spoken; as many more are spelt")
    parser.add_argument("--references", type=int, default=150, help="how many in other voices")
    parser.add_argument("--time", type=float, default=1.0, help="part of the usual time: 0.1 for a model that mumbles")
    parser.add_argument("--sentences", type=int, default=38, help="how many are judged")
    options = parser.parse_args(arguments)
    spelling, vocoder, speech = (options.time * MINUTES[part] for part in ("spelling", "vocoder", "speech"))
    print(f"About {8 + max(spelling, vocoder) + speech:.0f} minutes on {PROCESSES} cores", flush=True)
    data = options.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    random.seed(1)
    texts = corpus(options.texts)
    shares = [(make_data, (texts, data, part, PROCESSES, options.references)) for part in range(PROCESSES)]
    together("data", *shares)
    together("spelling and vocoder", (teach_spelling, (data, spelling)), (teach_vocoder, (data, vocoder)))
    port = free_port()
    peers = [Peers(rank, PROCESSES, port) for rank in range(PROCESSES)]
    together("speech", *((teach_speech, (data, speech, peer)) for peer in peers))
    export(data, options.folder)
    step = max(1, len(texts.held) // options.sentences)
    for who, verdict in judge(options.folder, texts.held[::step][: options.sentences]).items():
        print(f"word error rate of the {who}: {verdict.rate:.3f} ({verdict.errors} of {verdict.count})")


if __name__ == "__main__":
    main()
