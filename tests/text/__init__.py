"""Tests of f5_worker/text."""
