"""What a model is worth, on one page."""
