"""The tests: one module per module, and the real parts they run against."""
