"""transfer: image classifiers from a folder of images, by transfer learning with Keras, exported and verified.

    import transfer

    run = transfer.fit("flowers", backbone="vgg16")
    print(run.metrics["test"]["accuracy"], run.export)
    print(transfer.predict(run, ["rose.jpg"]))

Importing this package does not import TensorFlow or pandas; the first use of a name does.
"""

from typing import TYPE_CHECKING, Any

from transfer.system import late_import

if TYPE_CHECKING:
    from transfer.config import Config
    from transfer.errors import TransferError
    from transfer.models.anatomy.layer_table import anatomy
    from transfer.workflows.card import card
    from transfer.workflows.check import Checked, check
    from transfer.workflows.compare import compare
    from transfer.workflows.comparison.folder import Comparison
    from transfer.workflows.evaluate import Evaluation, evaluate
    from transfer.workflows.explain import explain
    from transfer.workflows.export import export
    from transfer.workflows.fit import fit
    from transfer.workflows.listing import ListedRun, list_runs
    from transfer.workflows.predict import predict
    from transfer.workflows.report import report
    from transfer.workflows.run import Run
    from transfer.workflows.serve import serve
    from transfer.workflows.tune import tune

__version__ = "0.1.0"

__all__ = [
    "Checked", "Comparison", "Config", "Evaluation", "ListedRun", "Run", "TransferError", "__version__", "anatomy", "card", "check",
    "compare", "evaluate", "explain", "export", "fit", "list_runs", "predict", "report", "serve", "tune",
]  # fmt: skip

_HOMES = {
    "Checked": "transfer.workflows.check",
    "Comparison": "transfer.workflows.comparison.folder",
    "Config": "transfer.config",
    "Evaluation": "transfer.workflows.evaluate",
    "ListedRun": "transfer.workflows.listing",
    "Run": "transfer.workflows.run",
    "TransferError": "transfer.errors",
    "anatomy": "transfer.models.anatomy.layer_table",
    "card": "transfer.workflows.card",
    "check": "transfer.workflows.check",
    "compare": "transfer.workflows.compare",
    "evaluate": "transfer.workflows.evaluate",
    "explain": "transfer.workflows.explain",
    "export": "transfer.workflows.export",
    "fit": "transfer.workflows.fit",
    "list_runs": "transfer.workflows.listing",
    "predict": "transfer.workflows.predict",
    "report": "transfer.workflows.report",
    "serve": "transfer.workflows.serve",
    "tune": "transfer.workflows.tune",
}

_WITHOUT_TENSORFLOW = ("Config", "ListedRun", "Run", "TransferError", "card", "list_runs", "serve")


late_import.watch()  # a script that imports TensorFlow itself is spared its start-up messages, too


def __dir__() -> list[str]:
    """Return the public names: completion shows nothing else."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'transfer' has no attribute {name!r}")
    import importlib

    if name not in _WITHOUT_TENSORFLOW:
        from transfer.system.startup import import_tensorflow_quietly

        import_tensorflow_quietly()  # a script prints what the command line prints: nothing of TensorFlow's
    return getattr(importlib.import_module(_HOMES[name]), name)
