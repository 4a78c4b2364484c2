"""The command line: what was asked, one local job, its progress and its answer for people."""
