"""Recipes: which estimators make a model, and how they are set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.data.task import Task
from training.estimators.experts import Experts
from training.estimators.features import WindowFeatures
from training.estimators.modes import FailureModes
from training.estimators.prognosis import Prognosis
from training.estimators.views import LATELY, View, ViewColumns, scaled

TREES = View(means=(5, 10, 20, 50), slopes=(20, 50))
"""What trees do best with, by `search`."""
NETWORKS = (
    View(means=(10, 30, 50), slopes=(25, 50)),
    View(means=(5, 20, 50), slopes=(15, 50)),
    View(means=(5, 15, 50), slopes=(50,)),
)
"""What neural networks do best with: fewer filters than trees, since they cannot leave out what is of no use."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes:
        boosted: How many boosted regressors, each with its own seed.
        boosted_graders: How many boosted graders; beside neural ones they are of no use.
        rounds: Rounds of boosting (of a grader, a tree for each grade in each).
        leaves: Leaves of the trees.
        least: The fewest rows in a leaf.
        columns: The share of the features that a split may choose from.
        tree_view: What the trees look at.
        networks: How many neural graders and regressors, each with its own seed.
        views: What the networks look at, in turn.
        layers: Neurons of their hidden layers.
        grader_decay: Weight decay (L2) of the neural graders.
        regressor_decay: Weight decay of the neural regressors.
        batch: Rows in a step of their training.
        epochs: Passes over the data.
        folds: Folds of the cross-validation that calibrates chances and intervals.
        share: The share of true RULs that the intervals are to hold.
        torn_networks: How many neural graders and regressors the model for windows with missing messages has.
        lately: In how many of the last cycles messages are counted, for that model.
        sees_lately: Whether a model sees these counts.
    """

    boosted: int = 2
    boosted_graders: int = 0
    rounds: int = 100
    leaves: int = 15
    least: int = 50
    columns: float = 0.1
    tree_view: View = TREES
    networks: int = 3
    views: tuple[View, ...] = NETWORKS
    layers: tuple[int, ...] = (64, 32, 16)
    grader_decay: float = 3.0
    regressor_decay: float = 0.2
    batch: int = 256
    epochs: int = 20
    folds: int = 3
    share: float = 0.8
    torn_networks: int = 2
    lately: tuple[int, ...] = LATELY
    sees_lately: bool = False

    def scaled(self, window: int) -> Recipe:
        """The recipe for windows of another length; this one is for 50 cycles."""
        return replace(
            self,
            tree_view=self.tree_view.scaled(window),
            views=tuple(view.scaled(window) for view in self.views),
            lately=scaled(self.lately, 1, window),
        )

    def pipeline(self, task: Task) -> Pipeline:
        """A task's pipeline, not fitted: window features, then a model for whole windows and one for torn ones."""
        recipe = self.scaled(task.window)
        torn = replace(recipe, boosted=0, boosted_graders=0, networks=self.torn_networks, sees_lately=True)
        return recipe._after_features(task, Experts(recipe._prognosis(task), torn._prognosis(task), task.window))

    def pipeline_for_whole_windows(self, task: Task) -> Pipeline:
        """The same without the model for torn windows."""
        recipe = self.scaled(task.window)
        return recipe._after_features(task, recipe._prognosis(task))

    def modes(self, task: Task, names: tuple[str, ...]) -> FailureModes:
        """What tells a task's failure modes by the same features, not fitted."""
        recipe = replace(self.scaled(task.window), networks=self.torn_networks, sees_lately=True)
        return FailureModes(recipe._networks(MLPClassifier, self.grader_decay), names)

    def _after_features(self, task: Task, prognosis: Experts | Prognosis) -> Pipeline:
        features = WindowFeatures(
            self._whole.means,
            self._whole.slopes,
            task.cycle_column,
            task.setting_columns,
            lately=self.lately,
            counts_age=task.counts_age,
        )
        return Pipeline([("features", features), ("prognosis", prognosis)])

    def _prognosis(self, task: Task) -> Prognosis:
        boosted = self._boosted(HistGradientBoostingClassifier, self.boosted_graders)
        networks = self._networks(MLPClassifier, self.grader_decay)
        regressors = self._boosted(HistGradientBoostingRegressor, self.boosted)
        more_regressors = self._networks(MLPRegressor, self.regressor_decay)
        return Prognosis((*boosted, *networks), (*regressors, *more_regressors), classes=task.classes, cap=task.cap)

    @property
    def _whole(self) -> View:
        return View.union([self.tree_view, *self.views])

    def _seen(self, view: View, scaler: Any) -> ColumnTransformer:  # noqa: ANN401 - a transformer, or its name
        return ColumnTransformer([("view", scaler, self._columns(view))])

    def _columns(self, view: View) -> ViewColumns:
        return view.columns(self._whole, len(self.lately), sees_lately=self.sees_lately)

    def _boosted(
        self, kind: type[HistGradientBoostingClassifier | HistGradientBoostingRegressor], count: int
    ) -> list[Pipeline]:
        return [
            make_pipeline(
                self._seen(self.tree_view, "passthrough"),
                kind(
                    max_iter=self.rounds,
                    max_leaf_nodes=self.leaves,
                    learning_rate=0.15,
                    random_state=seed,
                    min_samples_leaf=self.least,
                    l2_regularization=5.0,
                    max_features=self.columns,
                    early_stopping=False,
                ),
            )
            for seed in range(count)
        ]

    def _networks(self, kind: type[MLPClassifier | MLPRegressor], decay: float) -> list[Pipeline]:
        return [
            make_pipeline(
                self._seen(self.views[seed % len(self.views)], StandardScaler()),
                kind(
                    hidden_layer_sizes=self.layers,
                    alpha=decay,
                    batch_size=self.batch,
                    max_iter=self.epochs,
                    random_state=seed,
                ),
            )
            for seed in range(self.networks)
        ]
