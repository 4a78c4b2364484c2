"""The real parts that the tests run against, and tests of the stand-ins."""
