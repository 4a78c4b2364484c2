"""The same jobs over HTTP: a server for load-balancing endpoints and for trying it out, with a page."""
