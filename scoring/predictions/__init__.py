"""What the model says of engines, as it is told to others."""
