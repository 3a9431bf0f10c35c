"""Build from settings, wire the ports, run, drain on SIGTERM."""
