"""Engines' records: read, fetched, labelled, and cut into windows."""
