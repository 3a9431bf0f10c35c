"""Streams of messages: one `Source` port, two real logs behind it.

`merge` and `reading` hold what both share (append order, the arrival clock, byte bounds), `local`
is the embedded log on SQLite, `kafka` the only package that speaks Kafka, `deadletter` the way
out for what can't be used, `entry` chooses by policy.
"""
