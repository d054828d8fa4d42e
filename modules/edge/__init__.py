"""What every module shares: its connection to edgeHub, its journal, twin, settings, metrics and logs."""
