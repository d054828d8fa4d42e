"""The scoring scripts that Azure ML's servers call."""
