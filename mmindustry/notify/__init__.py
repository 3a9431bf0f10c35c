"""Alarms -> people: Alertmanager, webhooks and topics, fed from the outbox, never by the worker."""
