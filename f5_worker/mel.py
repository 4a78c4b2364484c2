"""The mel spectrogram of the models that this worker speaks with: vocos's, as in every configuration of f5-tts."""

SAMPLE_RATE = 24_000
"""Hz."""
HOP_LENGTH = 256
"""Samples a frame."""
N_MEL_CHANNELS = 100
N_FFT = 1024
