"""F5-TTS itself: its files, its modules, its weights in memory."""
