"""The service beside others that serve models."""
