"""The read side of the record: every question takes a `Scope`, every list has a cap and a cursor.

Functions take an open SQLAlchemy connection; they write nothing.
"""
