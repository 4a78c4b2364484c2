"""What each endpoint does, from a checked request to its answer."""
