"""The tests: one module per module, and the real parts they run against."""

PATIENCE = 300.0
"""Seconds until a test takes what it waits for as hung. No verdict on speed: a busy machine may be slow."""
