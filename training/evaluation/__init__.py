"""How good predictions are, and what they are good for."""
