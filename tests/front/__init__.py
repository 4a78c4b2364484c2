"""front/: real servers on free ports, real HTTP, a real browser."""
