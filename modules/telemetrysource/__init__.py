"""Replays recorded telemetry."""
