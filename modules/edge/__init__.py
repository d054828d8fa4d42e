"""What every module shares: its connection to edgeHub, its journal, twin, settings, metrics and logs."""

# The image holds no package metadata that could be asked.
VERSION = "0.1.0"
