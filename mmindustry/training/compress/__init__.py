"""A bundle made smaller or faster, and the gate it must pass to be written at all."""
