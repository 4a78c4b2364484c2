"""The least that RunPod's SDK can start: a handler that does nothing."""

from typing import Any

import runpod


def handler(job: dict[str, Any]) -> dict[str, Any]:
    """Give the input back."""
    return {"input": job["input"]}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
