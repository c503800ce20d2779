"""The model card of a run: Markdown with the YAML head of the Hugging Face Hub (Mitchell et al. 2019, "Model Cards for Model Reporting").

It is given away with the model, so it names the data's folder and no other place, no machine and no person. Names of classes are text that
anybody may have chosen: they are escaped.
"""

import html
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import yaml

from transfer import __version__
from transfer.data import dataset as manifests
from transfer.evaluation.metrics import majority
from transfer.models.registry import BACKBONES, SCRATCH
from transfer.reports.names import printable
from transfer.reports.run import text
from transfer.reports.words import counted, listed, percent, share
from transfer.runs import Run

_CLASSES = 200  # rows of a table; of more, those of the fewest images are left out
_FEW = 20  # test images of a class: with fewer, its figures say little
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#|$~!])")
_CC_BY = ("VGG16", "VGG19")
_EXAMPLE = """```python
import tensorflow as tf

model = tf.saved_model.load("export/1")
answers = model.signatures["serving_default"](tf.constant([open("image.jpg", "rb").read()]))
```"""
_SPLITS = ("train", "validation", "test")


def render(run: Run, name: str, data: str) -> str:
    """Return the card.

    Args:
        run: finished, or a draft with all its tables.
        name: of the run.
        data: name of the images' folder, table or data set.
    """
    config, metrics = run.config, run.metrics
    sections = {
        "Intended use": _use(run, data),
        "Training data": _data(run, data),
        "How it was trained": _training(config, metrics),
        "Evaluation": _evaluation(metrics),
        "Out of distribution": _ood(metrics["ood"]),
        "Limits": _limits(run),
        "Energy": _energy(metrics),
        "Licence": licence(config)[1],
        "Versions": _versions(run.environment),
    }
    body = "\n\n".join(f"## {title}\n\n{content}" for title, content in sections.items() if content)
    return f"---\n{_head(config, metrics, name, data)}---\n\n# {_plain(name)}\n\n{_what(run, data)}\n\n{body}\n"


def licence(config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the licence of the weights, as the Hub calls it, and what is known of it."""
    images = "The images may have terms of their own."
    if not _pretrained(config):
        return "unknown", f"The network was trained from random weights: whoever gives it away chooses its licence. {images}"
    network = BACKBONES.get(str(config["backbone"]))
    if config["weights"] != "imagenet":
        return "unknown", f"The model carries on weights that its maker supplied. Their licence is not known here. {images}"
    if network is not None and network.builder in _CC_BY:
        return "cc-by-4.0", (
            f"The model carries on the weights of {network.builder}: Visual Geometry Group, University of Oxford, released under "
            "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); K. Simonyan and A. Zisserman, *Very Deep Convolutional Networks "
            f"for Large-Scale Image Recognition*, 2015. Name this source when you pass it on. {images}"
        )
    return "unknown", (
        f"The model carries on weights of {_plain(str(config['backbone']))} that Keras distributes. Their licence is not known here: see "
        f"[the documentation of Keras](https://keras.io/api/applications/) before you pass it on. {images}"
    )


def _pretrained(config: Mapping[str, Any]) -> bool:
    return config["backbone"] not in SCRATCH and config["weights"] != "random"


def _head(config: Mapping[str, Any], metrics: Mapping[str, Any], name: str, data: str) -> str:
    test = metrics["test"]
    figures = [("accuracy", "Test accuracy", test["accuracy"]), ("f1", "Test macro F1", test["macro_f1"])]
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"name": printable(data), "type": "imagefolder", "split": "test"},
        "metrics": [{"type": kind, "name": label, "value": round(float(value), 4)} for kind, label, value in figures],
    }
    head = {
        "license": licence(config)[0],
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "keras", "tensorflow", "transfer-learning", printable(str(config["backbone"]))],
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": printable(name), "results": [result]}],
    }
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1000)


def _what(run: Run, data: str) -> str:
    low, high = run.metrics["test"]["accuracy_ci95"]
    usual, most = majority(run.metrics["test"])
    return (
        f"Sorts images into {counted(len(run.labels), 'class', 'classes')}, learnt from the images of *{_plain(data)}*. Test accuracy "
        f"{share(run.metrics['test']['accuracy'])} (95 %: {share(low)} to {share(high)}) on "
        f"{counted(run.metrics['test']['images'], 'image')}; always answering {_plain(usual)} would give {share(most)}."
    )


def _use(run: Run, data: str) -> str:
    side = run.config["image_size"]
    return (
        f"For images like those of {_plain(data)}: same subjects, same kind of camera or drawing. Every image gets one of the classes "
        "below; whether it is like the training images at all, `ood_score` and `is_ood` say (above 1: out of distribution). Not for "
        "decisions about people, or where a mistake does harm, without tests on images from where it will be used.\n\n"
        f"The SavedModel takes the bytes of image files (`serving_default`), or RGB images [n, {side}, {side}, 3] in 0 to 255 "
        f"(`images`):\n\n{_EXAMPLE}"
    )


def _data(run: Run, data: str) -> str:
    used, skipped = manifests.used(run.manifest), run.metrics["skipped"]
    counts = Counter(zip(used["label"], used["split"], strict=True))
    totals = [sum(counts[label, split] for label in run.labels) for split in _SPLITS]
    largest = sorted(run.labels, key=lambda label: -sum(counts[label, split] for split in _SPLITS))
    shown = sorted(largest[:_CLASSES])
    rows = [[_plain(label), *(f"{counts[label, split]:,}" for split in _SPLITS)] for label in shown]
    rows.append(["**all**", *(f"**{count:,}**" for count in totals)])
    why = _plain(listed(f"{count:,} {reason}" for reason, count in skipped.items())) if skipped else ""
    left = f" {counted(sum(skipped.values()), 'file was', 'files were')} not used: {why}." if why else ""
    more = f" The {len(shown):,} largest of {len(largest):,} classes are listed." if len(shown) < len(largest) else ""
    told = f"{counted(sum(totals), 'image')} of *{_plain(data)}* in {counted(len(largest), 'class', 'classes')}.{left}{more}"
    return f"{told}\n\n{_table(['class', 'training', 'validation', 'test'], rows)}"


def _training(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    cuts, side = config["truncate_at"], config["image_size"]
    backbone = _pretrained(config)
    weights = str(config["weights"])
    weights = weights if weights in ("imagenet", "random", "own") else PurePath(weights).name  # not where the file lies
    dense = ", ".join(str(units) for units in config.get("head.dense") or ())
    layers = f", hidden layers {dense or 'none'}, dropout {config['head.dropout']:g}" if config.get("head.kind") == "dense" else ""
    facts = {
        "Network": f"{_plain(str(config['backbone']))}, images of {side} x {side} pixels ({config['data.resize']})",
        "Weights at the start": _plain(weights) if backbone else "random",
        "Cut": _plain(cuts if isinstance(cuts, str) else ", ".join(cuts)) if backbone else "",
        "Fine-tuned from": _plain(str(config["unfreeze_from"] or "nothing: the backbone stayed frozen")) if backbone else "",
        "Head": _plain(f"{config.get('head.kind')}, pooling {config.get('head.pooling')}{layers}") if backbone else "",
        "Parameters": f"{metrics['parameters']['trained']:,} trained of {metrics['parameters']['total']:,}",
        "Best epoch": str(metrics["best_epoch"]),
        "Seed": str(config["seed"]),
        "Probabilities": f"calibrated by temperature {metrics['calibration']['temperature']:.3g}, chosen on validation images",
    }
    return "\n".join(f"- {label}: {fact}" for label, fact in facts.items() if fact)


def _evaluation(metrics: Mapping[str, Any]) -> str:
    splits = [_split_row(split, metrics[split]) for split in ("validation", "test")]
    if pooled := metrics.get("cross_validation"):
        splits.append([f"{pooled['folds']} folds, pooled", *_split_row("", {"images": pooled["images"], **pooled["pooled"]})[1:]])
    head = ["split", "images", "accuracy (95 %)", "macro F1", "log loss", "calibration error"]
    per_class = sorted(metrics["test"]["per_class"].items(), key=lambda item: -item[1]["images"])[:_CLASSES]
    rows = [
        [_plain(name), f"{of['images']:,}", f"{of['precision']:.3f}", _with_interval(of["recall"], of["recall_ci95"]), f"{of['f1']:.3f}"]
        for name, of in sorted(per_class)
        if of["images"]
    ]
    return (
        f"{_table(head, splits)}\n\nValidation images chose among epochs and settings; test images chose nothing. Test figures: "
        f"{text.measured(metrics)}.\n\n{_table(['class, test', 'images', 'precision', 'recall (95 %)', 'F1'], rows)}"
    )


def _split_row(split: str, of: Mapping[str, Any]) -> list[str]:
    calibration = f"{of['ece']:.3f}" if "ece" in of else ""
    accuracy = _with_interval(of["accuracy"], of["accuracy_ci95"])
    return [split, f"{of['images']:,}", accuracy, f"{of['macro_f1']:.3f}", f"{of['log_loss']:.3f}", calibration]


def _with_interval(value: float, interval: Sequence[float]) -> str:
    return f"{share(value)} ({share(interval[0])} to {share(interval[1])})"


def _ood(ood: Mapping[str, Any]) -> str:
    rows = []
    for name, facts in text.other_kinds(ood).items():
        flagged = f"{'at most ' if facts.get('at_most') else ''}{percent(facts['flagged'])}"
        rows.append([_plain(name), f"{facts['images']:,}", f"{facts['auroc']:.3f}", flagged])
    said = f"`is_ood` flags {percent(ood['test_flagged'])} of the run's own test images."
    return f"{said}\n\n{_table(['other images', 'images', 'AUROC', 'flagged'], rows)}" if rows else said


def _limits(run: Run) -> str:
    test = run.metrics["test"]
    few = [name for name, of in test["per_class"].items() if 0 < of["images"] < _FEW]
    missed = [name for name, facts in text.other_kinds(run.metrics["ood"]).items() if text.judged(facts) == text.NOT_FOUND]
    said = [
        "It was tested on images of the same source as those that it was trained on; images from elsewhere can be harder.",
        f"{counted(len(few), 'class has', 'classes have')} fewer than {_FEW} test images: their figures say little." if few else "",
        f"Images of these kinds are mostly not recognised as other data: {_plain(listed(missed))}." if missed else "",
        *(_plain(sentence) for sentence in text.without(run)),
    ]
    if run.tuning:
        said.append(f"{run.tuning['trials']:,} configurations were tried on training and validation images before this one was chosen.")
    return "\n".join(f"- {sentence}" for sentence in said if sentence)


def _energy(metrics: Mapping[str, Any]) -> str:
    energy = metrics.get("energy") or {}
    if energy.get("wh") is None or math.isnan(energy["wh"]):
        return ""
    how = "estimated, as the machine has no readable counter" if energy["source"] == "estimate" else "measured by the machine's counter"
    seconds = metrics["timing"]["total"]
    return f"{energy['wh']:.3g} Wh for this run ({how}), in {seconds:,.0f} s. Features that were stored before are not counted."


def _versions(environment: Mapping[str, Any]) -> str:
    packages = {"transfer": __version__, "python": environment.get("python", "")} | dict(environment.get("packages", {}))
    return ", ".join(f"{_plain(str(name))} {_plain(str(version))}" for name, version in packages.items() if version)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(name: str) -> str:
    """Return a name as Markdown that shows it and does nothing."""
    return _MARKDOWN.sub(r"\\\1", html.escape(printable(name), quote=False))
