"""Cold start: a fleet lives through weeks, its own normal is all that is known of it."""
