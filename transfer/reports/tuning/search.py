"""A search, as its run tells of it: the sentences, the best trials and the importances that the page and the terminal show."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfer.reports.words import percent
from transfer.runs import Run

SHOWN = 10
"""Trials in the table of the best."""

CAUTION = (
    "These figures are those of the images that the search chose by: the best of many trials owes part of its lead to chance, so its "
    "figure is optimistic. The test images took no part in the search; the test figure is not."
)
_NOT_SETTINGS = (
    "trial",
    "state",
    "value",
    "standard_error",
    "low",
    "high",
    "features",
    "epoch",
    "folds",
    "seconds",
    "weights",
    "by_epoch",
    "failed",
)


@dataclass(frozen=True)
class Row:
    """One of the best trials, in words.

    Attributes:
        mark: `fitted`, `best`, both or neither.
    """

    mark: str
    number: int
    interval: str
    features: str
    settings: str


@dataclass(frozen=True)
class Search:
    """The search that found the configuration of a run.

    Attributes:
        facts: content of `tuning.json`.
        trials: one row per trial.
    """

    facts: dict[str, Any]
    trials: pd.DataFrame

    @classmethod
    def of(cls, run: Run) -> "Search | None":
        """Return the search of a run; None if there was none."""
        return cls(run.tuning, run.trials) if run.tuning is not None and run.trials is not None else None

    @property
    def metric(self) -> str:
        """The name of what was compared."""
        return "accuracy" if self.facts["metric"] == "accuracy" else "minus log loss"

    @property
    def sentence(self) -> str:
        """What was tried, and what was chosen."""
        facts = self.facts
        if self.of_network:
            how = (
                f"were trained from scratch on {facts['train_images']:,} training images and judged on {facts['images']:,} validation "
                f"images, in {facts['seconds']:,.0f} s."
            )
            return f"{facts['trials']:,} trials{self._pruned} {how}{self._time_up} {self.choice}"
        repeats = f"{facts['repeats']} times " if facts["repeats"] > 1 else ""
        return (
            f"{facts['trials']:,} trials{self._pruned} were scored by {repeats}{facts['folds']}-fold cross-validation on "
            f"{facts['images']:,} training and validation images, in {facts['seconds']:,.0f} s.{self._time_up} {self.choice}"
        )

    @property
    def _pruned(self) -> str:
        return f", {self.facts['pruned']:,} of them stopped early," if self.facts["pruned"] else ""

    @property
    def _time_up(self) -> str:
        return " The time was up before the trials: on a faster machine there would be more." if self.facts["out_of_time"] else ""

    @property
    def of_network(self) -> bool:
        """Whether networks from scratch were trained, and not heads."""
        return "train_images" in self.facts

    @property
    def size(self) -> str:
        """What makes a trial less simple than another one, and the name of its column."""
        return "weights" if self.of_network else "features"

    @property
    def choice(self) -> str:
        """Which trial was fitted, and why."""
        best, chosen = self.facts["best"], self.facts["chosen"]
        if best == chosen:
            rule = "the rule asked for it" if self.facts["choose"] == "best" else "none within one standard error of it is simpler"
            return f"Trial {best}, the best, was fitted: {rule}."
        simplest = (
            "fewest weights, then the best" if self.of_network else "fewest features, then a linear head, then the fewest hidden units"
        )
        return (
            f"Trial {best} is the best. Trial {chosen} was fitted: of the {self.facts['within_one_standard_error']} within one standard "
            f"error of the best it is the simplest ({simplest})."
        )

    @property
    def best(self) -> list[Row]:
        """The best trials, and the one that was fitted, from the best down."""
        finished = self.trials[self.trials["state"] == "finished"].sort_values(["value", "trial"], ascending=[False, True])
        shown = pd.concat([finished.head(SHOWN), finished.iloc[SHOWN:][finished.iloc[SHOWN:]["trial"] == self.facts["chosen"]]])
        return [self._row(row) for row in shown.to_dict("records")]

    def _row(self, row: dict[str, Any]) -> Row:
        marks = [word for word, key in (("best", "best"), ("fitted", "chosen")) if row["trial"] == self.facts[key]]
        settings = [
            f"{key.removeprefix('head.').removeprefix('training.').removeprefix('network.')} {value}"
            for key, value in row.items()
            if self._tells(key, value)
        ]
        return Row(", ".join(marks), int(row["trial"]), self._interval(row), row[self.size], ", ".join(settings))

    def _tells(self, key: str, value: Any) -> bool:
        """Return whether a column is a setting that differs among trials."""
        return key not in _NOT_SETTINGS and value != "" and self.trials.loc[self.trials[key] != "", key].nunique() > 1

    def _interval(self, row: dict[str, Any]) -> str:
        if self.facts["metric"] == "accuracy":
            return f"{percent(row['value'])} ({percent(max(row['low'], 0))} to {percent(min(row['high'], 1))})"
        return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"

    @property
    def importances(self) -> dict[str, list[tuple[str, float]]]:
        """Among which trials -> setting and its share, the most important first."""
        found: dict[str, list[tuple[str, float]]] = {}
        for one in self.facts["importances"]:
            found.setdefault(one["among"], []).append((one["setting"], one["importance"]))
        return found
