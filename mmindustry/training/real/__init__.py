"""What the parts are worth on real data, and the small models that are measured there."""
