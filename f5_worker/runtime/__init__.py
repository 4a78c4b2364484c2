"""What every network needs, F5-TTS and Whisper alike: packages, devices, one load at a time, errors of a load."""
