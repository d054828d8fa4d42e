"""The process on its host: how it begins and ends, its health, metrics and logs."""
