"""fit(): from a folder of images to a verified SavedModel."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from transfer import runs
from transfer.config import UNSET, Config, Unset, given
from transfer.data import sources
from transfer.data.classes import describe_balance
from transfer.data.splits import split
from transfer.data.value_range import choose_value_range
from transfer.drafts import Draft, drafting
from transfer.engines import opened
from transfer.evaluation import ood_images
from transfer.exporters import saved_model, warmup
from transfer.exporters.formats import run_images
from transfer.exporters.served import Served
from transfer.exporters.verify import Verified, verify
from transfer.features.compute import blamed
from transfer.features.extraction import extract, extract_views
from transfer.features.extractor import BackboneExtractor, load_extractor
from transfer.features.specs import freeze_boundary
from transfer.features.store import open_store
from transfer.quality.checks import check
from transfer.runs import DEFAULT_OUTPUT
from transfer.system import devices
from transfer.system.energy import Meter
from transfer.system.progress import Clock, Progress, shown
from transfer.training import head
from transfer.training.cross_validation import cross_validate
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.stages import train
from transfer.training.trained import Trained
from transfer.training.truncation import choose_truncation, with_whole_maps
from transfer.workflows.ood import OODReference, choose_reference, evaluate_ood
from transfer.workflows.requests import Data, FitRequest, cross_validation, fit_request
from transfer.workflows.run import Run
from transfer.workflows.run_files import run_metrics, write_records, write_report
from transfer.workflows.tracked import tracked


def fit(
    data: Data = None,
    config: Config | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    overwrite: bool = False,
    backbone: str | keras.Model | Callable[..., keras.Model] | Unset = UNSET,
    preprocess: Any = UNSET,
    cuts: Sequence[str] | Unset = UNSET,
    image_size: int | Unset | None = UNSET,
    truncate_at: str | Sequence[str] | Unset = UNSET,
    unfreeze_from: str | Unset | None = UNSET,
    epochs: int | Unset = UNSET,
    head: Mapping[str, Any] | keras.Model | Callable[[int, int], keras.Model] | Unset = UNSET,
    training: Mapping[str, Any] | Unset = UNSET,
    augment: Mapping[str, Any] | Unset = UNSET,
    callbacks: Sequence[keras.callbacks.Callback] | Callable[[str], Sequence[keras.callbacks.Callback]] | Unset = UNSET,
    metrics: Sequence[keras.metrics.Metric | str] | Unset = UNSET,
    seed: int | Unset = UNSET,
    folds: int | None = None,
    average_folds: bool = False,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Run:
    """Train a classifier on a folder of images, publish it as a run, and return that.

    Args:
        data: folder, archive or table of images, also in object storage, `tfds:NAME`, or a TFDS builder; none: `data.source`.
        config: a configuration, or keys of one (nested or dotted).
        name: of the run, which is written to `output/name`; none: made from the data, the backbone and the time.
        output: folder of all runs.
        overwrite: replace a run of this name.
        backbone: a name (`vgg16`, `keras.applications.NAME`, `lenet`, ...), a Keras model from images to a feature map, or a function.
        preprocess: what an own backbone expects of RGB in 0..255: `caffe`, `tf`, `torch`, `none`, a layer, model, or function.
        cuts: names of the layers at which an own backbone can be cut, from the shallowest up; None: those that are found.
        image_size: side of the square input in pixels; None: the network's own.
        truncate_at: cut point where the backbone ends, several, `top`, `all`, or `auto`.
        unfreeze_from: first layer to fine-tune; None: the backbone stays frozen.
        epochs: most epochs of training: `training.epochs`.
        head: keys of this section; a Keras model from features to logits, or a function (width, classes) that builds one.
        training: keys of this section.
        augment: keys of this section; `{"layers": [...]}`: live views by Keras's preprocessing layers.
        callbacks: of Keras, called in each stage; or a function from the stage to a list of new ones.
        metrics: of Keras, which get probabilities; columns of the history.
        seed: of the split, initial weights, dropout, order of the images and augmented views.
        folds: also train on as many folds, so that each image is predicted by a model that never saw it: `cross_validation.folds`.
        average_folds: export the average of the heads of the folds: `cross_validation.average`.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.
        **settings: further keys of the configuration, `fine_tuning={"epochs": 5}`. All settings override `config`.

    Raises:
        TransferError: for any error that the user can fix; only stored features and checkpoints are left behind.
    """
    named = given(
        backbone=backbone, preprocess=preprocess, cuts=cuts, image_size=image_size, truncate_at=truncate_at, unfreeze_from=unfreeze_from,
        head=head, training=training, augment=augment, callbacks=callbacks, metrics=metrics, seed=seed, training__epochs=epochs,
    )  # fmt: skip
    layers = [config.model_dump() if isinstance(config, Config) else config or {}, named, settings, cross_validation(folds, average_folds)]
    return carry_out(fit_request(data, layers, name, output, overwrite), shown(progress))


@tracked
def carry_out(request: FitRequest, progress: Progress) -> Run:
    """Carry out a request, stage by stage: scan, split, extract, check, train, export, verify, publish; see `fit`."""
    config, clock = request.config, Clock()
    devices.prepare(config.training.devices, progress)
    meter = Meter(wanted=config.energy == "auto", country=None)
    place = drafting(request.output, request.name, request.overwrite)  # published on success, deleted otherwise
    with opened(config.engine, progress) as engine, place as draft:
        with meter.measuring() as electricity:
            # Every file of the source, and the split of each that is used; `data.value_range: auto` is decided here.
            with clock("scan"):
                dataset = split(sources.read(config.data, progress, engine=engine), config.data, config.seed)
                dataset, config = choose_value_range(dataset, config, progress)
            progress.say(describe_balance(dataset.table, config.training.class_weights))

            # The frozen prefix, or decoding alone for a network from scratch; `compute: auto` and `precision: auto` are decided here.
            with clock("precision"):
                extractor = load_extractor(config, dataset, progress)
                head.require_fit(dataset.classes, extractor, config, request.parts)  # an own head, before the work begins
            with open_store(extractor.feature_set, progress) as store:
                # Features that are not in the store yet. Images that fail are skipped, with the reason.
                with clock("feature extraction"):
                    dataset = extract(dataset, extractor, store, config, progress, engine)
                # What is wrong with the data; near duplicates may now belong together, so it is split again.
                with clock("checks"):
                    dataset, findings = check(dataset, extractor, store, config, progress)
                with clock("feature extraction"):
                    dataset = extract_views(dataset, extractor, store, config, progress, engine)

                # The cut point (none from scratch); the head, fine-tuning, or the network from scratch; and the classifier joined of both.
                features = FeatureDataset(dataset, extractor, store, config, engine, request.parts)
                truncation = choose_truncation(features, progress, clock)
                features = with_whole_maps(features, truncation, progress, clock)
                trained, classifier = train(features, truncation, progress, clock)
                # With cross-validation, each fold trains likewise; on request, the average of their heads replaces the one just trained.
                trained, classifier, validated = cross_validate(trained, classifier, truncation, progress, clock)
                progress.say("Choosing the training images that new images are compared with")
                with clock("OOD reference"):
                    ood = choose_reference(trained, truncation, classifier, progress)

            # The SavedModel, verified on the bytes of the test files, or of a sample: then the test figures are those of stored features.
            progress.say("Exporting the model")
            with clock("export"):
                served = export(draft, classifier, trained, ood)
            with clock("evaluation"), blamed(extractor.engine):
                verified = verify_export(draft, served, trained, ood, progress)
                progress.say("Testing it on images of other data: are they out of distribution?")
                test, scores = test_answers(verified, trained, ood)
                ood_metrics = evaluate_ood(served, ood, scores, set(dataset.table["digest"]), config)

        energy = {"wh": None if math.isnan(electricity.wh) else electricity.wh, "source": meter.source}
        probabilities = {"validation": trained.probabilities["validation"], "test": test}
        metrics = run_metrics(trained, classifier, verified, probabilities) | {"ood": ood_metrics, "energy": energy}
        progress.say("Writing the tables and the report")
        write_records(draft, trained, truncation, findings, probabilities, (ood.validation, scores), validated)
        draft.write_texts(request.further)
        metrics |= {"cross_validation": validated.metrics(dataset.classes)} if validated else {}
        write_report(draft, request.name, metrics, dataset.root, served, clock)
    for checkpoint in trained.checkpoints:  # only now: a run that failed continues from them
        checkpoint.unlink(missing_ok=True)
    return Run(request.output / request.name)


def export(draft: Draft, classifier: keras.Model, trained: Trained, ood: OODReference) -> Served:
    """Write the Keras model, the SavedModel with its warm-up requests, and the OOD reference; return the SavedModel, loaded."""
    features, folder = trained.features, draft.path / runs.EXPORT / "1"
    classifier.save(draft.model)
    saved_model.write(classifier, features.classes, features.extractor.image_spec, ood.reference, folder)
    warmup.write(folder, ood_images.photographs(("JPEG", "PNG")))  # never the user's images: exports are shared
    ood.reference.write(draft.ood_reference)
    return Served(folder, draft.trust)


def verify_export(draft: Draft, served: Served, trained: Trained, ood: OODReference, progress: Progress) -> Verified:
    """Verify the export on the bytes of test files; see `verify.verify` for what must agree.

    Of a sample, if the backbone is frozen: it is the costly part. Of all, if layers were trained on maps, stored in 16 bits, or pixels.

    Raises:
        DataError: if test files were changed or deleted meanwhile.
        ExportError: if it does not agree.
    """
    features, test = trained.features, trained.features.rows("test")
    extractor, settings = features.extractor, features.config.export
    files = run_images.find(features.dataset.root, test)  # all: one that has changed is not what was measured
    chosen = run_images.sample(test, None if ood.others is None else settings.verified_images)
    # The maps from which a suffix is fine-tuned are stored in 16 bits even where everything computes in float32.
    maps_in_16bit = isinstance(extractor, BackboneExtractor) and freeze_boundary(features.config, extractor.pretrained.backbone) is not None
    return verify(
        served,
        keras_file=draft.model,
        files=[files[position] for position in chosen],
        pixels=list((test["width"] * test["height"]).iloc[chosen]),
        stored=trained.probabilities["test"][chosen],
        ood_score=ood.expected[chosen[: len(ood.expected)]],
        image_spec=extractor.image_spec,
        settings=settings,
        in_16bit=extractor.precision != "float32" or maps_in_16bit,
        progress=progress,
    )


def test_answers(verified: Verified, trained: Trained, ood: OODReference) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities and OOD scores of all test images: of the export if it classified them all, or of stored features."""
    answers, stored = verified.answers, trained.probabilities["test"]
    return (answers.probabilities, answers.ood_score) if len(answers.probabilities) == len(stored) else (stored, ood.expected)
