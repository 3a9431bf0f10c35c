"""The simulator's bench: every fusion on machines never met, and the gates that keep it honest."""
