"""The record: one database of durable facts, and the archive of raw evidence beside it."""
