"""Tests of f5_worker/delivery."""
