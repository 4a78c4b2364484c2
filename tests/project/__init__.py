"""Tests of what surrounds the code: README, images, benchmarks."""
