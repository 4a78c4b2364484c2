"""The rooms behind ``handler.py``: one module per concern, none of which knows the job loop."""
