"""What every module shares: its connection to edgeHub, its journal, twin, metrics and logs."""
