"""Encoders, their pretrained weights, and the presets made of them."""
