"""Defects found on pictures of one's own."""
