"""Scores turbofan telemetry beside the engine and answers each message."""
