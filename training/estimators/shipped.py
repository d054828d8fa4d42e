"""The recipes of the models that ship."""

from __future__ import annotations

from dataclasses import replace

from training.estimators.recipe import Recipe

SHIPPED = Recipe(boosted=2, networks=6)
"""The default recipe with more members (docs/model.md has what cross-validation says of it)."""

SHIPPED_FLEET = replace(SHIPPED, classifier_rounds=80, regressor_leaves=31, regressor_decay=0.1, batch=512)
"""For four times the rows: larger trees, and larger batches."""
