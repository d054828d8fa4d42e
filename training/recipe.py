"""Recipes: which estimators make a model, and how they are set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.features import WindowFeatures
from training.labels import CMAPSS_CLASSES, Classes
from training.prognosis import Prognosis


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes:
        classifier_rounds: Rounds of boosting of each boosted classifier (trees for each class).
        regressor_rounds: Rounds of boosting of each boosted regressor.
        leaves: Leaves of a tree.
        boosted: How many boosted classifiers and regressors, each with its own seed.
        networks: How many neural networks of each kind, each with its own seed.
        layers: Neurons of the networks' hidden layers.
        epochs: Passes of a network over the data.
        folds: Folds of the cross-validation that calibrates probabilities and intervals.
        share: The share of true RULs that the intervals are to hold.
        classes: The RUL classes.
        cap: Where RUL is cut in training, in cycles.
    """

    classifier_rounds: int = 80
    regressor_rounds: int = 200
    leaves: int = 15
    boosted: int = 1
    networks: int = 2
    layers: tuple[int, ...] = (64, 32)
    epochs: int = 12
    folds: int = 3
    share: float = 0.8
    classes: Classes = CMAPSS_CLASSES
    cap: float = 125.0

    def pipeline(self) -> Pipeline:
        """The pipeline, not fitted: window features, then averaged estimators."""
        boosting: dict[str, Any] = {
            "max_leaf_nodes": self.leaves,
            "l2_regularization": 5.0,
            "max_features": 0.3,
            "early_stopping": False,
        }
        network: dict[str, Any] = {
            "hidden_layer_sizes": self.layers,
            "alpha": 1.0,
            "batch_size": 256,
            "max_iter": self.epochs,
        }
        classifiers = [
            HistGradientBoostingClassifier(
                max_iter=self.classifier_rounds, learning_rate=0.09, random_state=seed, **boosting
            )
            for seed in range(self.boosted)
        ] + [
            make_pipeline(StandardScaler(), MLPClassifier(random_state=seed, **network))
            for seed in range(self.networks)
        ]
        regressors = [
            HistGradientBoostingRegressor(
                max_iter=self.regressor_rounds, learning_rate=0.05, random_state=seed, **boosting
            )
            for seed in range(self.boosted)
        ] + [
            make_pipeline(StandardScaler(), MLPRegressor(random_state=seed, **network)) for seed in range(self.networks)
        ]
        prognosis = Prognosis(tuple(classifiers), tuple(regressors), classes=self.classes, cap=self.cap)
        return Pipeline([("features", WindowFeatures()), ("prognosis", prognosis)])
