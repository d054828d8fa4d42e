"""Telemetry in, predictions out: everything that a device or a service needs to score, and nothing of training."""
