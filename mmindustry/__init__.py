"""mmindustry: sees, hears and reads machines, and says which fault is coming."""

__version__ = "0.1.0"
