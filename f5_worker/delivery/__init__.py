"""Finished files handed over, and found again."""
