"""Defects on pictures of one's own: found, outlined, and tried on groups left out."""
