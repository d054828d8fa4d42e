"""The cloud's end."""
