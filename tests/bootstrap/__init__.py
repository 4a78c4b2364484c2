"""Tests of bootstrap, setup_network_venv.py and start.sh."""
