"""One device: all rooms together, and what can be done to it while it runs."""
