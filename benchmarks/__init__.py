"""How fast the worker is, against stock F5-TTS and against what nothing can beat; one command for each question.

    python -m benchmarks.cold_start        from nothing to the first audio, by phase
    python -m benchmarks.warm_request      what a request costs outside DiT and vocoder
    python -m benchmarks.long_text         many chunks: one by one, batched, and in stock's own loop
    python -m benchmarks.streaming         a streamed text: when its first audio is there, beside the whole
    python -m benchmarks.load              many callers for ten minutes, among failing posts, a failing S3 and stops
    python -m benchmarks.memory            peak memory of a load
    python -m benchmarks.container_ready   process start to the first poll for jobs
    python -m benchmarks.import_budget     what importing the inference path costs
    python -m benchmarks.listening         how well the demo model's speech is understood, beside the voice it learned from
    python -m benchmarks.word_times        how exact the times of words are, and whether dropped words are found
    python -m benchmarks.network_volume    a real MooseFS beside the local disk: first worker, copy, later starts, weights
    python -m benchmarks.plot_cold_start   the cold start as stacked bars, drawn from the results
    python -m benchmarks.plot_network_volume    the starts from a network volume as bars, drawn from the results

Each prints a table and writes its figures as JSON into ``benchmarks/results/``; ``--help`` shows its options. They need Linux
and the packages of requirements.txt and requirements-dev.txt. Beside them, ``python -m benchmarks.clips`` speaks the clips of
the README's table. Stock F5-TTS has an environment of its own, since it cannot share one with the RunPod SDK; without that
environment its rows are left out:

    uv venv --python 3.11 build/stock-venv
    uv pip install --python build/stock-venv --compile-bytecode -r benchmarks/requirements-stock.txt

The model is as large as F5TTS_v1_Base with its vocoder, but its weights are random, so that nothing needs to be downloaded.
"""
