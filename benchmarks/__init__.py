"""Measurements of speed and memory, each comparing two things in one run."""
