"""What machines say: records, windows, trajectories, and each engine's history."""
