"""From folders of labelled images to a finished run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.architectures import has_evidence
from training.blocks import split_by_block
from training.configuration import Recipe, Selection
from training.data import DataError, Dataset, load, split
from training.earlier_runs import start_networks, teacher_networks
from training.input_check import prepare
from training.layouts import find, labels_of, name_and_place, taken
from training.provenance import describe_run
from training.samples import PARTS_TRAINED_ON
from training.shortcuts import find_conflicting
from training.train import train
from training.validation import record


def load_selection(selection: Selection, seed: int) -> Dataset:
    """All images of a selection, those held out among them.

    Raises:
        DataError: a folder is missing, is no data set, or lacks images of a class.
        LabelError: the images have one label only, or nothing says which labels mean disease.
    """
    names = [name_and_place(folder)[0] for folder in selection.folders]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(
            f"Two data sets are called {twice[0]}; give one another name, as in --also NAME=FOLDER."
        )
    listings = [find(folder) for folder in selection.folders]
    samples = [
        sample
        for folder, listing in zip(selection.folders, listings, strict=True)
        for sample in taken(listing, folder, PARTS_TRAINED_ON)
    ]
    labels = labels_of(listings, samples, selection.positive, selection.finding)
    images = load(samples, labels=labels)
    if selection.limit is None:
        return images
    chosen = np.random.default_rng(seed).permutation(len(images))[: selection.limit]
    return images.take(np.sort(chosen))


def train_run(
    recipe: Recipe,
    selection: Selection,
    images: Dataset,
    folder: Path,
    command: str,
    start: Sequence[Path] = (),
    teachers: Sequence[Path] = (),
    resume: bool = False,
    input_check: bool = True,
) -> None:
    """Train a network, predict its validation images, and fit its input check.

    Args:
        recipe: how to train; ``start`` and ``teachers`` take the place of its own.
        selection: how the images were chosen and are divided.
        images: what :func:`load_selection` loaded.
        folder: of the run.
        command: for the record.
        start: folders of runs whose mean weights training starts from.
        teachers: folders of runs whose mean predictions replace the labels.
        resume: continue from the folder's checkpoint.
        input_check: whether to fit the input check of a network with an evidence map.

    Raises:
        DataError: the images cannot be divided like this, or an earlier run or the folder cannot be
            used.
        ConfigurationError: the configuration of an earlier run, or of the one to resume, cannot be
            read.
    """
    if selection.block is None:
        # the split does not follow the seed of the run, so that seeds can be compared
        training, validation = split(images, selection.folds, selection.fold, seed=0)
    else:
        training, validation = split_by_block(images, selection.block)
    recipe = replace(
        recipe,
        start=start_networks(start, recipe.architecture, validation),
        teachers=teacher_networks(teachers, validation),
    )
    first, _ = name_and_place(selection.folders[0])
    ours = np.array([one.root == first for one in training.samples])
    times = np.where(ours, 1, selection.also_times)
    conflicting = {images.samples[row].name for row in find_conflicting(images, first)}
    misleading = np.array([one.name in conflicting for one in training.samples])
    times[misleading] = selection.conflicting_times
    training = training.take(np.repeat(np.arange(len(training)), times))
    configuration = describe_run(recipe, selection, training, validation, command)
    model = train(configuration, training, validation, folder, resume)
    record(model, validation, folder, conflicting)
    if has_evidence(model) and input_check:
        prepare(model, training, validation, folder)
