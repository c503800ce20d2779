"""check(): what is wrong with a data set, without training. Looks at files, images and features; changes nothing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.data import sources
from transfer.errors import WeightsError
from transfer.features import store
from transfer.models.registry import Backbone, find
from transfer.quality import folder, limits, worksheet
from transfer.quality.collect import collect
from transfer.quality.findings import Findings
from transfer.reports import thumbnails
from transfer.reports.check import page
from transfer.system.files import write_text
from transfer.system.progress import Clock, Progress, Silent
from transfer.workflows.check_request import CheckPlan, check_plan
from transfer.workflows.preparation import Preparation
from transfer.workflows.requests import data_name

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder


@dataclass(frozen=True)
class Checked:
    """The result of `check`.

    Attributes:
        root: where the paths of the manifest start.
        path: folder with `report.html`, `findings.json` and `manifest.csv`.
        findings: tables of what was found.
        manifest: every file seen, with the splits that `fit` would give.
        exceeded: a sentence for each limit of the configuration's `check` section that is exceeded, or check that could
            not be made; empty where the data set passes.
        seconds: of each stage.
    """

    root: Path
    path: Path
    findings: Findings = field(repr=False)
    manifest: pd.DataFrame = field(repr=False)
    exceeded: list[str]
    seconds: dict[str, float] = field(repr=False)

    @property
    def report(self) -> Path:
        """The page for a browser."""
        return self.path / folder.REPORT


def check(
    data: "str | os.PathLike[str] | DatasetBuilder | None" = None,
    config: Config | Mapping[str, Any] | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    files_only: bool = False,
    write_manifest: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Checked:
    """Look for what is wrong with a data set: files, copies, leaks between splits, wrong labels, outliers.

    Args:
        data: as for `fit`: a folder, a table, or `tfds:NAME`; none: the configuration's `data.source`.
        config: a configuration, or keys of one; the backbone's features tell likeness and labels.
        output: folder for the result; none: `data_checks/<name of the data>`.
        files_only: judge the files alone, without a network.
        write_manifest: also write the table that a person can edit and give back as a source (`.csv`).
        progress: told of each step; none: nothing is printed.
        **settings: further keys of the configuration, over those of `config`.

    Raises:
        TransferError: where the data cannot be looked at.
    """
    given = config.model_dump() if isinstance(config, Config) else dict(config or {})
    return run(check_plan(data, [given, settings], output, write_manifest), files_only, progress or Silent())


def run(planned: CheckPlan, files_only: bool, progress: Progress) -> Checked:
    """Carry out a plan; see `check`."""
    clock, config = Clock(), planned.config
    if isinstance(find(config.backbone), Backbone):
        config = config.updated(truncate_at="auto")  # features of all cut points: whichever a later fit takes is there
    prepared = Preparation(config, progress, clock)
    prepared.scan(decode_test=True)
    if manifests.used(prepared.manifest).empty:
        prepared.divide()  # says why nothing can be used
    prepared.divide(required=False)
    findings, left_out = _findings(prepared, files_only)
    undivided = f"Which splits fit would make: it refuses this data as it is. {prepared.undivided}" if prepared.undivided else ""
    findings.unchecked.extend(["splits"] * bool(undivided))
    shortcomings = [text for text in (left_out, undivided) if text]
    findings.notes.extend(shortcomings)
    with folder.drafting(planned.output) as draft:
        manifests.write(prepared.manifest, draft / folder.MANIFEST)
        findings.write(draft / folder.FINDINGS)
        write_text(draft / folder.CONFIG, config.to_yaml())
        with clock("report"):
            _write_page(findings, prepared, draft / folder.REPORT)
    if planned.write_manifest:
        worksheet.write(prepared.manifest, findings, planned.write_manifest, sources.own(config.data))
    exceeded = limits.exceeded(findings, config.check) + shortcomings
    return Checked(prepared.root, planned.output, findings, prepared.manifest, exceeded, clock.rounded())


def _write_page(findings: Findings, prepared: Preparation, target: Path) -> None:
    data, manifest, most = prepared.config.data, prepared.manifest, prepared.config.check.images
    images = thumbnails.of_findings(findings, prepared.root, manifest, most, data)
    facts = {"Data": str(data.source), "Network": f"{prepared.network.name}, {prepared.image_spec.size} px"}
    title, source, root = f"Data check: {data_name(str(data.source))}", str(data.source), str(prepared.root)
    write_text(target, page.render(findings, images, title, facts, most, source, root, sources.options(data)))


def _findings(prepared: Preparation, files_only: bool) -> tuple[Findings, str]:
    """Return what was found, and why the images themselves were not looked at, where the weights cannot be had."""
    left_out = ""
    if not files_only:
        try:
            extractor = prepared.extractor()
        except WeightsError as error:
            left_out = f"Only the files were judged. {error}"
        else:
            with store.opened(extractor.feature_set) as opened:
                with prepared.clock("frozen pass"):
                    prepared.compute(extractor, opened)
                with prepared.clock("checks"):
                    return prepared.check(extractor, opened, required=False), left_out
    return collect(prepared.manifest, None, None, prepared.config.check, prepared.config.seed), left_out
