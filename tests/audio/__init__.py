"""Tests of f5_worker/audio."""
