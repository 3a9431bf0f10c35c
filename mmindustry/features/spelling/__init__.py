"""Spells out what people write in a hurry: abbreviations, typos, run-ons, masks of ids and numbers.

Learned from lines that somebody has spelt out (`mmindustry.training.real.spelling`), applied here
without torch. What is learned is counts (`stock`) and one weight for each clue (`clues`).
"""
