"""Evaluations on real recordings."""
