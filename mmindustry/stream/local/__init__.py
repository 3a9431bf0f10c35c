"""The embedded log: a durable, partitioned event log on SQLite, for one machine.

Not a clone of Kafka's protocol. One file in WAL mode holds topics, messages and the groups'
offsets; publishers, workers and gateways are processes that open it. It survives kill -9 at any
moment: a message is in it whole or not at all, and what was acknowledged stays.
"""
