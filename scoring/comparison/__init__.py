"""Where two models differ."""
