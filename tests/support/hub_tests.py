"""The jobs of .runpod/tests.json on an image, as the RunPod Hub runs them; its variables are given to the command.

    python -m tests.support.hub_tests docker run --rm --env F5TTS_MODEL IMAGE /app/start.sh

Standard library only: a workflow runs it on a bare Python. Exits with 1 where a job fails.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from tests import REPOSITORY

LISTING = json.loads((REPOSITORY / ".runpod" / "tests.json").read_text(encoding="utf-8"))


def run(command: Sequence[str], job: object, seconds: float) -> tuple[int, str]:
    """Exit code and output of one job; a job that takes longer than ``seconds`` is ended, with code 124."""
    environment = os.environ | {entry["key"]: entry["value"] for entry in LISTING["config"]["env"]}
    arguments = [*command, "--test_input", json.dumps({"input": job})]
    try:
        done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {seconds:g} s\n"
    return done.returncode, done.stdout


def main(command: Sequence[str]) -> int:
    """Run them all; the exit code."""
    failed = 0
    for test in LISTING["tests"]:
        code, output = run(command, test["input"], test["timeout"] / 1000)
        sys.stdout.write(f"{output}--- {test['name']}: {f'failed ({code})' if code else 'passed'}\n")
        failed += bool(code)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
