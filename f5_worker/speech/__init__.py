"""From a text, a reference and a loaded model to a waveform."""
