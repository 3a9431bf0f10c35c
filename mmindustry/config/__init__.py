"""Gather every package's policy, read files and environment, say every mistake at once."""
