"""Bytes to samples and samples to bytes; knows no job."""
