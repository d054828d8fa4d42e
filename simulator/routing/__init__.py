"""Routes: what they take, and where that goes, as the edge hub has it."""
