"""Tests of f5_worker/speech."""
