"""How the demo model (f5_worker/model/demo) was made: one command, from packages of Debian's and PyPI's alone.

    apt-get install flite espeak-ng wordnet-base       libflite1 comes with the first
    pip install wordfreq                               beside requirements.txt and requirements-dev.txt
    python -m training build/demo-model                about two hours and a quarter on two cores: it says so, and counts
    F5TTS_MODEL=build/demo-model ./start.sh --test_input '{"input": {"text": "Hello, how are you today?"}}'

    sentences.py   what is said: WordNet's examples, patterns, rows of common words
    flite.py       the teacher: Flite's voice slt, whose times of phones and words are known
    references.py  other voices, to be passed over
    lessons.py     1. data, 4 min: each word's mel stretched to its characters' share, and spelling lessons
    spelling.py    2. the text encoder alone, 16 min on one core
    vocoder.py     3. the vocoder, 38 min on the other
    batches.py, forward.py, speech.py
                   4. the DiT behind the frozen text encoder, 86 min on both
    export.py      5. the model folder
    verdict.py     6. Whisper's word error rate, 4 min
    shape.py, schedule.py, __main__.py
                   sizes and modules; optimiser and clock; the command

The clock ends a stage, not a count of steps, so a model that is made anew is not the same, bit for bit. The one in the package
was taught to speak in two goes (66 min on one core, then 53 on two), where this takes one.
"""
