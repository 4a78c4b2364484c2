"""The worker in a process of its own, asked through the function that the SDK calls. ``F5TTS_MODEL`` chooses the model."""

from benchmarks.probes.protocol import Probe, touch, watch_model

probe = Probe()

import asyncio  # noqa: E402 - what is imported from here on is measured
import time  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import handler  # noqa: E402

if TYPE_CHECKING:
    from f5_worker.model.load import LoadedModel

probe.mark("SDK")


def ask(runner: asyncio.Runner, text: str) -> dict[str, Any]:
    """One job's answer."""
    task = probe.task
    job = {"id": "benchmark", "input": {"text": text, "nfe_step": task.nfe_step, "seed": task.seed}}
    answer = runner.run(handler.handler(job))
    if answer.get("status") != "completed":
        raise RuntimeError(f"the job failed: {answer.get('error')}")
    return answer


def load() -> "LoadedModel":
    """Load the model, as a first request does before it speaks."""
    if not handler.initialize_models() or handler.f5tts_model is None:
        raise RuntimeError(handler.model_load_error)
    model: LoadedModel = handler.f5tts_model
    return model


def cold(runner: asyncio.Runner) -> None:
    """The first request, its load apart."""
    model = load()
    probe.mark("load")
    answer = ask(runner, probe.task.text)
    probe.mark("first audio")
    probe.report.laps.append(dict(model.load_seconds))
    probe.report.facts.update(duration=answer["duration"], chunks=len(answer["chunks"]))


def memory(runner: asyncio.Runner) -> None:
    """The load, every weight in memory, the first request."""
    model = load()
    probe.mark("load")
    touch(model.cfm, model.vocoder)
    probe.mark("all weights")
    ask(runner, probe.task.text)
    probe.mark("first audio")


def warm(runner: asyncio.Runner) -> None:
    """Requests after the first, by phase."""
    model = load()
    ask(runner, probe.task.text)
    watches = watch_model(model.engine.torch, model.device, model.cfm.transformer, model.vocoder)
    for _ in range(probe.task.repeats):
        started = time.perf_counter()
        answer = ask(runner, probe.task.text)
        total = time.perf_counter() - started
        timings, inside = answer["timings"], watches.take()
        laps = {name: timings[name] for name in ("model_load", "reference", "synthesis", "encode", "upload")}
        rest = laps.pop("synthesis") - sum(inside.values())
        laps |= {"mel and ODE": rest, **inside, "checks and answer": total - sum(laps.values()) - rest - sum(inside.values())}
        probe.report.laps.append({**laps, "total": total})
    probe.report.facts.update(duration=answer["duration"], chunks=len(answer["chunks"]))


def long(runner: asyncio.Runner) -> None:
    """A text of many chunks, one by one and batched, on the same plan."""
    import numpy as np

    from f5_worker.job.context import Job
    from f5_worker.job.request import TtsRequest, parse_job
    from f5_worker.settings import load_settings
    from f5_worker.speech.join import whole_speech
    from f5_worker.speech.plan import Passage, SpeechOptions, plan_chunks
    from f5_worker.speech.synthesis import synthesise
    from f5_worker.text.reading import Reading
    from f5_worker.voice.cache import ReferenceCache
    from f5_worker.voice.source import obtain_reference

    model, task, settings = load(), probe.task, load_settings()
    ask(runner, "Warm up.")
    request = parse_job({"input": {"text": task.text, "nfe_step": task.nfe_step, "seed": task.seed}}, settings).request
    assert isinstance(request, TtsRequest)
    clip = obtain_reference(request, Job(settings), ReferenceCache(1))
    options = SpeechOptions.of(request, task.seed)
    plan = plan_chunks([Passage(Reading(request.text), clip)], options)
    # On a GPU the worker's own choice; a CPU would go one by one, so all at once there.
    together = None if model.device == "cuda" else len(plan) * max(item.frames for item in plan)
    for _ in range(task.repeats):
        laps, sounds = {}, {}
        for mode, batch_frames in (("one by one", 0), ("batched", together)):
            started = time.perf_counter()
            speech = whole_speech(plan, synthesise(model, plan, options, lambda: None, batch_frames), options)
            laps[mode], sounds[mode] = time.perf_counter() - started, speech.samples
        probe.report.laps.append(laps)
    difference = float(np.abs(sounds["one by one"] - sounds["batched"]).max())
    probe.report.facts.update(
        duration=speech.duration,
        chunks=len(plan),
        frames=[item.frames for item in plan],
        difference=difference,
        peak=float(np.abs(sounds["one by one"]).max()),
    )


def stream(runner: asyncio.Runner) -> None:
    """A streamed text of many chunks: seconds to the first part, and to the last."""
    task = probe.task

    async def listen(text: str) -> tuple[dict[str, float], list[dict[str, Any]]]:
        parts, laps, started = list[dict[str, Any]](), dict[str, float](), time.perf_counter()
        job = {"text": text, "nfe_step": task.nfe_step, "seed": task.seed}
        async for part in handler.stream_handler({"id": "benchmark", "input": job}):
            laps.setdefault("first audio", time.perf_counter() - started)
            parts.append(part)
        return laps | {"whole": time.perf_counter() - started}, parts

    runner.run(listen("Warm up."))
    for _ in range(task.repeats):
        laps, parts = runner.run(listen(task.text))
        probe.report.laps.append(laps)
    first, whole = parts[0], parts[-1]
    probe.report.facts.update(duration=whole["duration"], chunks=len(whole["chunks"]), first_seconds=first["end"])


def main() -> None:
    """Do the task."""
    with asyncio.Runner() as runner:
        {"cold": cold, "memory": memory, "warm": warm, "long": long, "stream": stream}[probe.task.what](runner)
    if (model := handler.f5tts_model) is not None:
        probe.report.facts["device"] = model.device
        if model.device == "cuda":
            probe.report.facts["gpu_peak_memory"] = model.engine.torch.cuda.max_memory_allocated()
    probe.finish()


if __name__ == "__main__":
    main()
