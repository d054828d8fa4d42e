"""What is sent and stored, parsed: JSON bodies, C-MAPSS lines, CSV tables."""
