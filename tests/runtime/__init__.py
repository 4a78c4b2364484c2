"""Tests of f5_worker/runtime."""
