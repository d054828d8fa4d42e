"""What can go wrong in training; each error names the thing, the value and the remedy."""

from __future__ import annotations


class TrainingError(Exception):
    """Base of every error that this package raises on purpose."""


class DataError(TrainingError):
    """The data set lacks a file, or its parts contradict each other."""


class LabelError(TrainingError):
    """Class edges or names contradict each other."""


class TaskError(TrainingError):
    """A task's description cannot be read, or describes what cannot be."""


class ExportError(TrainingError):
    """The ONNX graph does not compute what the fitted pipeline computes."""


class FetchError(TrainingError):
    """The data could not be brought, or is not what its sums say."""


class OutputError(TrainingError):
    """What a command makes cannot be written where it was asked to go."""
