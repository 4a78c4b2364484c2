"""The rooms behind ``handler.py``, in the order in which a job passes them.

    job/         what was asked: a raw job, checked and typed
    voice/       the reference voice, from wherever it comes to what the model hears
    text/        what is spoken, and in which pieces
    speech/      from a text, a reference and a loaded model to a waveform
    timing/      when each word is said, and subtitle files
    audio/       samples to bytes, and bytes to samples
    delivery/    finished files handed over, and found again
    endpoints/   what each endpoint does with these rooms, from a checked request to its answer
    front/       the same jobs over HTTP: a server with a page, OpenAI's routes, the load balancer's ping
    cli/         the same job from a command line: arguments, progress, the answer for people

Below them:

    resources.py what lives as long as the worker: settings, model, Whisper, references, the scheduler that owns the model
    model/       F5-TTS itself: its files, its modules, its weights in memory
    runtime/     what every network needs: packages, devices, one load at a time, errors of a load
    settings.py  s3_config.py  formats.py  names.py  urls.py  volume.py  network.py  stages.py  progress.py  atomic.py
    errors.py  log.py  streams.py  sdk.py  loop.py  polls.py  posts.py  temporary.py  mel.py  s3_client.py  s3_errors.py
"""
