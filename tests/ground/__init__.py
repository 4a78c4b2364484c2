"""Tests of what every room stands on: settings, errors, S3."""
