"""Prediction -> Alarm: a fold with its state, an alarm's life, and the budget of false ones."""
