"""Tests of the whole worker, through its front doors."""
