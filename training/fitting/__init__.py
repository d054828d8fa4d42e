"""From a recipe and engines to a fitted pipeline, and the search for a better recipe."""
