"""Tests of f5_worker/voice."""
