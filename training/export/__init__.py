"""From what was fitted to the one file that a device needs."""
