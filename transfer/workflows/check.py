"""check(): what is wrong with a data set, without training. Looks at files, images and features; changes nothing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.data import sources
from transfer.data.dataset import Dataset
from transfer.data.splits import split
from transfer.errors import WeightsError
from transfer.features.extraction import extract
from transfer.features.extractor import load_extractor
from transfer.features.store import open_store
from transfer.models.registry import Backbone, find
from transfer.quality import checks, result_folder, worksheet
from transfer.quality.findings import Findings
from transfer.reports import thumbnails
from transfer.reports.check import page
from transfer.system import devices
from transfer.system.files import write_text
from transfer.system.progress import Clock, Progress, Silent
from transfer.workflows.requests import CheckRequest, Data, check_request
from transfer.workflows.settings import data_name


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
        return self.path / result_folder.REPORT


def check(
    data: Data = None,
    config: Config | Mapping[str, Any] | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    files_only: bool = False,
    write_manifest: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Checked:
    """Look for what is wrong with a data set: files, duplicates, leaks between splits, wrong labels, outliers.

    Args:
        data: as for `fit`: a folder, a table, or `tfds:NAME`; none: the configuration's `data.source`.
        config: a configuration, or keys of one; near duplicates and labels are judged by the backbone's features.
        output: folder for the result; none: `data_checks/<name of the data>`.
        files_only: judge the files alone, without a network.
        write_manifest: also write the table that a person can edit and give back as a source (`.csv`).
        progress: told of each step; none: nothing is printed.
        **settings: further keys of the configuration, over those of `config`.

    Raises:
        TransferError: where the data cannot be checked.
    """
    given = config.model_dump() if isinstance(config, Config) else dict(config or {})
    return carry_out(check_request(data, [given, settings], output, files_only, write_manifest), progress or Silent())


def carry_out(request: CheckRequest, progress: Progress) -> Checked:
    """Carry out a request; see `check`."""
    config, clock = _with_all_cuts(request.config), Clock()
    devices.prepare(config.training.devices, progress)
    with clock("scan"):
        dataset = sources.read(config.data, progress, decode_test=True)
    dataset = split(dataset, config.data, config.seed, required=dataset.used.empty)  # where nothing can be used, the error says why
    dataset, findings, unlooked = _look(dataset, config, request.files_only, clock, progress)
    unsplit = f"Which splits fit would make: it refuses this data as it is. {dataset.unsplit}" if dataset.unsplit else ""
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
    """Extract the features of all cut points: whichever a later fit takes is there."""
    return config.updated(truncate_at="auto") if isinstance(find(config.backbone), Backbone) else config


def _look(dataset: Dataset, config: Config, files_only: bool, clock: Clock, progress: Progress) -> tuple[Dataset, Findings, str]:
    """Return the dataset as it is split in the end, what was found, and why the images themselves were not looked at."""
    unlooked = ""
    if not files_only:
        try:
            with clock("precision"):
                extractor = load_extractor(config, dataset, progress)
        except WeightsError as error:
            unlooked = f"Only the files were checked. {error}"
        else:
            with open_store(extractor.feature_set) as store:
                with clock("feature extraction"):
                    dataset = extract(dataset, extractor, store, config, progress)
                with clock("checks"):
                    return (*checks.check(dataset, extractor, store, config, required=False), unlooked)
    return dataset, checks.collect(dataset.table, None, None, config.check, config.seed), unlooked


def _write_page(findings: Findings, dataset: Dataset, config: Config, target: Path) -> None:
    data, most, size = config.data, config.check.images, config.image_size
    images = thumbnails.of_findings(findings, dataset.root, dataset.table, most, data)
    facts = {"Data": str(data.source), "Network": f"{config.backbone}, {size} px"}
    title, source, root = f"Data check: {data_name(str(data.source))}", str(data.source), str(dataset.root)
    write_text(target, page.render(findings, images, title, facts, most, source, root, sources.options(data)))
