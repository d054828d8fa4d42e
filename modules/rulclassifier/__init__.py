"""Scores telemetry beside the engine, and answers each message."""
