"""check(): find problems of a data set in its files, images and features, without training or changing anything."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.config import UNSET, Config, Unset, given
from transfer.data import dataset as manifests
from transfer.data import sources
from transfer.data.dataset import Dataset
from transfer.data.splits import split
from transfer.data.storage import Root
from transfer.data.value_range import choose_value_range
from transfer.engines import Engine, opened
from transfer.errors import WeightsError
from transfer.features.extraction import extract
from transfer.features.extractor import load_extractor
from transfer.features.store import open_store
from transfer.models.registry import Backbone, find
from transfer.quality import checks, result_folder, worksheet
from transfer.quality.findings import Findings
from transfer.reports import notebook, thumbnails
from transfer.reports.check import page
from transfer.system import devices
from transfer.system.files import write_text
from transfer.system.progress import Clock, Progress, shown
from transfer.workflows.requests import CheckRequest, Data, check_request
from transfer.workflows.settings import data_name


@dataclass(frozen=True)
class Checked:
    """The result of `check`.

    Attributes:
        root: folder that the paths of the manifest are relative to.
        path: folder with `report.html`, `findings.json` and `manifest.csv`.
        findings: tables of the findings.
        manifest: every file seen, with the splits that `fit` would make.
        exceeded: a sentence for each exceeded limit of the configuration's `check` section, and for each check that could
            not be made; empty if the data set passes.
        seconds: seconds of each stage.
    """

    root: Root
    path: Path
    findings: Findings = field(repr=False)
    manifest: pd.DataFrame = field(repr=False)
    exceeded: list[str]
    seconds: dict[str, float] = field(repr=False)

    @property
    def report(self) -> Path:
        """The report, an HTML page."""
        return self.path / result_folder.REPORT

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return notebook.check(str(self.root), self.findings, self.exceeded, self.report)


def check(
    data: Data = None,
    config: Config | Mapping[str, Any] | None = None,
    *,
    backbone: str | Unset = UNSET,
    image_size: int | Unset | None = UNSET,
    output: str | os.PathLike[str] | None = None,
    files_only: bool = False,
    write_manifest: str | os.PathLike[str] | None = None,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Checked:
    """Find problems of a data set: unusable files, duplicates, leaks between splits, wrong labels, outliers.

    Args:
        data: as for `fit`: a folder, a table, or `tfds:NAME`; none: the configuration's `data.source`.
        config: a configuration, or keys of one; near duplicates and label issues are found with the backbone's features.
        backbone: whose features are used, `vgg16`, ...
        image_size: side of the square input in pixels; None: the network's own.
        output: folder for the result; none: `data_checks/<name of the data>`.
        files_only: check only the files, without a network.
        write_manifest: also write a table (`.csv`) that can be edited and used as a source.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.
        **settings: further keys of the configuration, `**{"data.group_by": "near-duplicates"}`. All settings override `config`.

    Raises:
        TransferError: if the data cannot be checked.
    """
    basis = config.model_dump() if isinstance(config, Config) else dict(config or {})
    layers = [basis, given(backbone=backbone, image_size=image_size), settings]
    return carry_out(check_request(data, layers, output, files_only, write_manifest), shown(progress))


def carry_out(request: CheckRequest, progress: Progress) -> Checked:
    """Carry out a request; see `check`."""
    config, clock = _with_all_cuts(request.config), Clock()
    devices.prepare(config.training.devices, progress)
    with opened(config.engine, progress) as engine:
        with clock("scan"):
            dataset = sources.read(config.data, progress, decode_test=True, engine=engine)
        dataset = split(dataset, config.data, config.seed, required=dataset.used.empty)  # without usable images, the error says why
        with clock("scan"):
            dataset, config = choose_value_range(dataset, config, progress)
        dataset, findings, unlooked = _look(dataset, config, request.files_only, clock, progress, engine)
    unsplit = f"The splits were not checked, because fit refuses this data: {dataset.unsplit}" if dataset.unsplit else ""
    shortcomings = [text for text in (unlooked, unsplit) if text]
    unchecked = [*findings.unchecked, *(["splits"] if unsplit else [])]
    findings = replace(findings, notes=[*findings.notes, *shortcomings], unchecked=unchecked)
    with result_folder.drafting(request.output) as draft:
        manifests.write(dataset.table, draft / result_folder.MANIFEST)
        findings.write(draft / result_folder.FINDINGS)
        write_text(draft / result_folder.CONFIG, config.to_yaml())
        with clock("report"):
            _write_page(findings, dataset, config, draft / result_folder.REPORT)
    if request.write_manifest:
        worksheet.write(dataset.table, findings, request.write_manifest, sources.own(config.data))
    exceeded = findings.exceeded(config.check) + shortcomings
    return Checked(dataset.root, request.output, findings, dataset.table, exceeded, clock.rounded())


def _with_all_cuts(config: Config) -> Config:
    """Return a configuration that extracts the features of all cut points, so that any later fit finds them."""
    return config.updated(truncate_at="auto") if isinstance(find(config.backbone), Backbone) else config


def _look(
    dataset: Dataset, config: Config, files_only: bool, clock: Clock, progress: Progress, engine: Engine
) -> tuple[Dataset, Findings, str]:
    """Return the dataset with its final splits, the findings, and why the images themselves were not checked, if so."""
    unlooked = ""
    if not files_only:
        try:
            with clock("precision"):
                extractor = load_extractor(config, dataset, progress)
        except WeightsError as error:
            unlooked = f"Only the files were checked. {error}"
        else:
            with open_store(extractor.feature_set, progress) as store:
                with clock("feature extraction"):
                    dataset = extract(dataset, extractor, store, config, progress, engine)
                with clock("checks"):
                    return (*checks.check(dataset, extractor, store, config, progress, required=False), unlooked)
    return dataset, checks.collect(dataset.table, None, None, config.check, config.seed), unlooked


def _write_page(findings: Findings, dataset: Dataset, config: Config, target: Path) -> None:
    data, most, size = config.data, config.check.images, config.image_size
    images = thumbnails.of_findings(findings, dataset.root, dataset.table, most, data)
    facts = {"Data": str(data.source), "Network": f"{config.backbone}, {size} px"}
    title, source, root = f"Data check: {data_name(str(data.source))}", str(data.source), str(dataset.root)
    write_text(target, page.render(findings, images, title, facts, most, source, root, sources.options(data)))
