"""From folders of labelled images to a finished run."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from training.blocks import split_by_block
from training.configuration import CONFIGURATION_FILE, OUT_OF_FOLD_FILE, VALIDATION_FILE, Selection
from training.cross_validation import PAGE_FILE, write_cross_validation
from training.data import DataError, Dataset, load, split
from training.earlier_runs import start_networks, teacher_networks
from training.input_check import prepare
from training.layouts import find, labels_of, name_and_place, taken
from training.provenance import describe_run
from training.recipe import Recipe
from training.samples import PARTS_TRAINED_ON
from training.shortcuts import find_conflicting, split_by_cluster
from training.train import train
from training.validation import Validation, join, record

# fewer images than these set thresholds only all together
FEW = 1000
FOLDS_FOLDER = "folds"


def load_selection(selection: Selection, seed: int) -> Dataset:
    """All images of a selection, those held out among them.

    Raises:
        DataError: a folder is missing, is not a data set, or lacks images of a class.
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
    notes = tuple(note for listing in listings for note in listing.notes)
    images = replace(load(samples, labels=labels), notes=notes)
    if selection.limit is None:
        return images
    chosen = np.random.default_rng(seed).permutation(len(images))[: selection.limit]
    return images.take(np.sort(chosen))


def train_run(
    recipe: Recipe,
    selection: Selection,
    images: Dataset,
    folder: Path,
    command: str | None,
    start: Sequence[Path] = (),
    teachers: Sequence[Path] = (),
    resume: bool = False,
) -> None:
    """Train a network, predict its validation images, and fit its input check.

    With ``all_folds`` a network is trained for each other fold too, and the predictions of them all
    are kept as ``out_of_fold.npz``.

    Args:
        recipe: how to train; ``start`` and ``teachers`` take the place of its own.
        selection: how the images were chosen and are divided.
        images: what :func:`load_selection` loaded.
        folder: of the run.
        command: for the record.
        start: folders of runs whose mean weights training starts from.
        teachers: folders of runs whose mean predictions replace the labels.
        resume: continue from the folder's checkpoint.

    Raises:
        DataError: the images cannot be divided like this, or an earlier run or the folder cannot be
            used.
        ConfigurationError: the configuration of an earlier run, or of the one to resume, cannot be
            read.
    """
    first, _ = name_and_place(selection.folders[0])
    if selection.block is not None:
        training, validation = split_by_block(images, selection.block)
    elif selection.cluster is not None:
        training, validation = split_by_cluster(images, first, selection.cluster)
    else:
        # the split does not follow the seed of the run, so that seeds can be compared
        training, validation = split(images, selection.folds, selection.fold, seed=0)
    recipe = replace(
        recipe,
        start=start_networks(start, recipe.architecture, validation),
        teachers=teacher_networks(teachers, validation),
    )
    conflicting = {images.samples[row].name for row in find_conflicting(images, first)}
    run = _Folds(recipe, selection, images, conflicting, command)
    model = run.train(selection, training, validation, folder, resume)
    if selection.input_check:
        print("fitting the input check", flush=True)
        prepare(model, training, validation, folder)
    if selection.all_folds:
        run.train_others(folder)


def needs_all_folds(images: Dataset) -> bool:
    """Whether so few images are there that those of one fold cannot set thresholds."""
    return len(images) < FEW


@dataclass(frozen=True)
class _Folds:
    """What the networks of all folds have in common."""

    recipe: Recipe
    selection: Selection
    images: Dataset
    conflicting: Collection[str]
    command: str | None

    def train(
        self,
        selection: Selection,
        training: Dataset,
        validation: Dataset,
        folder: Path,
        resume: bool,
    ) -> keras.Model:
        """Train the network of a fold and record its predictions."""
        first, _ = name_and_place(selection.folders[0])
        ours = np.array([one.root == first for one in training.samples])
        times = np.where(ours, 1, selection.also_times)
        misleading = np.array([one.name in self.conflicting for one in training.samples])
        times[misleading] = selection.conflicting_times
        training = training.take(np.repeat(np.arange(len(training)), times))
        configuration = describe_run(self.recipe, selection, training, validation, self.command)
        model = train(configuration, training, validation, folder, resume)
        if not (folder / VALIDATION_FILE).exists():
            record(model, validation, folder, self.conflicting)
        return model

    def train_others(self, folder: Path) -> None:
        """Train the networks of the other folds, and report over all."""
        count = self.selection.folds
        places = [folder / FOLDS_FOLDER / str(fold) for fold in range(count)]
        places[self.selection.fold] = folder
        for fold, place in enumerate(places):
            if (place / VALIDATION_FILE).exists():
                continue
            print(f"fold {fold + 1} of {count}", flush=True)
            training, validation = split(self.images, count, fold, seed=0)
            begun = (place / CONFIGURATION_FILE).exists()
            one = replace(self.selection, fold=fold, all_folds=False, input_check=False)
            self.train(one, training, validation, place, begun)
        first, *others = [Validation.load(place / VALIDATION_FILE) for place in places]
        joined = join(first, others)
        joined.save(folder / OUT_OF_FOLD_FILE)
        auroc = write_cross_validation(joined, folder).auroc
        print(
            f"AUROC, mean of {count} folds: {auroc.value:.3f} ({auroc.low:.3f} to "
            f"{auroc.high:.3f}); more in {folder / PAGE_FILE}",
            flush=True,
        )
