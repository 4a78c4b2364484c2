"""Tests of f5_worker/model."""
