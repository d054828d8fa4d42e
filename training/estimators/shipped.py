"""The recipe of the fleet model; those of single data sets are made by the default one."""

from __future__ import annotations

from training.estimators.recipe import Recipe

FLEET_RECIPE = Recipe(leaves=31, regressor_decay=0.1, batch=512)
"""For four times the rows: larger trees, and larger batches."""
