"""The connection to edgeHub: messages, the twin, and what is sent."""
