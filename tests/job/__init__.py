"""Tests of f5_worker/job."""
