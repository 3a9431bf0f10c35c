"""Bytes to events and back: CloudEvents envelopes, payloads with their limits, partitions.

Pure: no clock, no file, no network. What can't be read becomes a `DeadLetter`, never an exception.
"""
