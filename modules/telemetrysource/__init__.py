"""Replays C-MAPSS trajectories as telemetry."""
