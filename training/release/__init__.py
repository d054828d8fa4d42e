"""The models that ship: made, described, and put where devices find them."""
