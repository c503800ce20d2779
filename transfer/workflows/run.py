"""`transfer.Run`: a finished run with the verbs of the API. What it can do lives in the workflows; where its files are, in `runs.py`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from transfer import runs
from transfer.errors import ConfigError
from transfer.serving.batch.request import Paths
from transfer.system.startup import import_tensorflow_quietly

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from transfer.workflows.evaluate import Evaluation
    from transfer.workflows.requests import Data


class Run(runs.Run):
    """One finished training: `run.predict(...)` is `transfer.predict(run, ...)`, and so are the others.

    A run that somebody else made is a program to TensorFlow: its SavedModel and its Keras file can hold instructions to read and write
    files. Those that do are refused when they are loaded, unless the run is trusted: `Run(path, trust=True)`.
    """

    def predict(self, paths: Paths, **options: Any) -> pd.DataFrame:
        """Classify images with the exported SavedModel; see `transfer.predict` for the options and the table."""
        import_tensorflow_quietly()
        from transfer.workflows.predict import predict

        return predict(self, paths, **options)

    def evaluate(self, data: "Data", **options: Any) -> "Evaluation":
        """Judge the exported SavedModel on other labelled images; see `transfer.evaluate` for the options and the result."""
        import_tensorflow_quietly()
        from transfer.workflows.evaluate import evaluate

        return evaluate(self, data, **options)

    def card(self, **options: Any) -> Path:
        """Write the model card; see `transfer.card`."""
        from transfer.workflows.card import card

        return card(self, **options)

    def plot_history(self) -> "Figure":
        """Return a matplotlib figure: loss and accuracy of training and validation in each epoch."""
        from transfer.reports.run import figures

        return figures.history_figure(self.history, int(self.metrics["best_epoch"]))

    def plot_confusion(self, split: str = "test") -> "Figure":
        """Return a matplotlib figure: the confusion matrix of a split, `test` or `validation`; rows are true classes.

        Raises:
            ConfigError: if the run has no predictions of such a split.
        """
        from transfer.evaluation.metrics import confusion_matrix
        from transfer.reports.run import figures

        if split not in ("test", "validation"):
            raise ConfigError(f"split: expected test or validation, of which a run keeps predictions. Received {split!r}.")
        return figures.confusion_figure(confusion_matrix(self.metrics[split]), self.labels)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from transfer.reports import notebook

        return notebook.run(self)

    def load_model(self) -> "keras.Model":
        """Return the Keras model: RGB images float32 [n, size, size, 3] in 0..255 -> probabilities [n, classes], in the order of `labels`.

        It is loaded in Keras's safe mode.

        Raises:
            RunError: if it cannot be loaded, or could do more than compute and the run is not trusted.
        """
        import_tensorflow_quietly()
        from transfer.models import keras_file

        return keras_file.load(self.model, self.trust)


def opened(run: runs.Run | str | os.PathLike[str], trust: bool = False) -> Run:
    """Return a run that is given as such, by its folder, or by its bare name under `saved_models`.

    Args:
        run: trusted as it is, if it is a run.
        trust: load its models unseen; see `Run`.

    Raises:
        RunError: if there is no such run.
    """
    if isinstance(run, Run) and (run.trust or not trust):
        return run
    return Run(run.path, trust or run.trust) if isinstance(run, runs.Run) else Run(run, trust)
