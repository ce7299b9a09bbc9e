"""Where the labelled images of a folder are: in folders by class, in a list, or as published."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from training import lists, published
from training.labels import NEGATIVE_NAMES, PNEUMONIA, LabelSet, normalised
from training.patients import recognise_patient
from training.samples import (
    PARTS_TRAINED_ON,
    DataError,
    Listing,
    Sample,
    named_apart,
    part_named,
)

LAYOUTS = (
    "folders by class, such as NORMAL and PNEUMONIA, or those in each of train, val and test; a "
    "CSV or Parquet list with the columns path and label; NIH's or RSNA's data set as published"
)
_SUBTYPES = {"bacteria": "bacterial", "virus": "viral"}  # words in the children's file names
_NOT_DATA = ("__macosx",)
_DEEPEST = 4  # folders with nothing but a folder in them, as archives leave them
_SHOWN = 3


def find(root: Path) -> Listing:
    """List the labelled files of a data set, all parts of it, sorted by class and path.

    Args:
        root: a folder, or a ``.csv`` or ``.parquet`` list; ``NAME=FOLDER`` gives the data set
            another name than the folder's or the list's own.

    Raises:
        DataError: there is no such folder, it has none of the layouts, or a list is broken.
    """
    name, place = name_and_place(root)
    if not place.exists():
        raise DataError(f"There is no folder {place}. See `pneumonia data check --help`.")
    if place.is_file():
        listing, place = lists.read(place, name), place.parent
    else:
        folder = _unnested(place)
        listing = (
            published.find(folder, name) or lists.find(folder, name) or _find_tree(folder, name)
        )
    named = named_apart(listing.samples, place)
    return replace(listing, samples=tuple(replace(one, data_set=name) for one in named))


def name_and_place(root: Path) -> tuple[str, Path]:
    """The name of a data set, and where it is, of ``FOLDER`` or ``NAME=FOLDER``."""
    name, sign, place = str(root).partition("=")
    if sign and "/" not in name and not root.exists():
        return name, Path(place)
    return (root.stem if root.is_file() else root.resolve().name), root


def find_samples(root: Path, parts: Sequence[str] = PARTS_TRAINED_ON) -> list[Sample]:
    """The files of some parts of a data set, sorted by class and path.

    Args:
        root: as for :func:`find`.
        parts: which parts of a divided data set are taken.

    Raises:
        DataError: as :func:`find`, or a divided data set has none of these parts.
    """
    return taken(find(root), root, parts)


def taken(listing: Listing, root: Path, parts: Sequence[str]) -> list[Sample]:
    """The samples of these parts, and all of a data set that is not divided.

    Raises:
        DataError: it has none of them.
    """
    samples = [one for one in listing.samples if one.part is None or one.part in parts]
    if not samples:
        raise DataError(
            f"{root} has no part named {' or '.join(parts)}; its parts are "
            f"{', '.join(listing.parts)}."
        )
    return samples


def labels_of(
    listings: Sequence[Listing],
    samples: Sequence[Sample],
    positive: Sequence[str] = (),
    finding: str | None = None,
) -> LabelSet:
    """The labels of samples from these listings.

    Args:
        listings: where they were found; a published layout knows which labels count as disease.
        samples: some of theirs.
        positive: labels that count as disease, in place of what the layouts or names say.
        finding: what they mean together, in place of what their names say.

    Raises:
        LabelError: they have one label only, or nothing says which labels mean disease.
    """
    found = {sample.label for sample in samples}
    known: set[str] = set()
    if all(listing.positive for listing in listings):
        known = {label for listing in listings for label in listing.positive} & found
    return LabelSet.of(found, positive or known, finding)


def _find_tree(folder: Path, source: str) -> Listing:
    below = _folders(folder)
    roots = [(one, part_named(one.name)) for one in below if part_named(one.name)]
    several = [one for one in below if any(part_named(inner.name) for inner in _folders(one))]
    if not roots and several:
        raise DataError(
            f"{folder} holds several data sets: {_listed(several)}. Give one of them, and the "
            "others with --also."
        )
    layout = "folders by class in folders by part" if roots else "folders by class"
    notes = [
        f"{one} is not part of the data set and was left out."
        for one in below
        if roots and not part_named(one.name) and _holds_files(one)
    ]
    samples: list[Sample] = []
    classes: dict[str, int] = {}
    for root, part in roots or [(folder, None)]:
        loose = [file for file in root.iterdir() if file.is_file() and _is_data(file)]
        if loose:
            notes.append(f"{len(loose)} files of {root} are in no class and were left out.")
        for group in _folders(root):
            files, masks = _files(group)
            notes += [f"{mask} holds masks and was left out." for mask in masks]
            samples += [_sample(file, group, source, part) for file in files]
            classes[group.name] = classes.get(group.name, 0) + len(files)
    if not samples:
        raise DataError(_not_found(folder, below))
    empty = [name for name, count in classes.items() if not count]
    if empty:
        raise DataError(
            f"The class {empty[0]} of {folder} is empty. Put its images there or delete the folder."
        )
    samples.sort(key=lambda sample: (_class_of(sample), sample.path))
    return Listing(tuple(samples), layout, tuple(notes))


def _unnested(root: Path) -> Path:
    """The folder with the data in it, where an archive left folders around it."""
    folder = root
    for _ in range(_DEEPEST):
        entries = [one for one in folder.iterdir() if _is_data(one)]
        if len(entries) != 1 or not entries[0].is_dir() or not _folders(entries[0]):
            return folder
        name = normalised(entries[0].name)
        if part_named(name) or name in NEGATIVE_NAMES or name == PNEUMONIA:
            return folder
        folder = entries[0]
    return folder


def _sample(path: Path, group: Path, source: str, part: str | None) -> Sample:
    patient, patient_from = recognise_patient(path, path.relative_to(group))
    if patient_from == "nothing":
        patient = f"{group.name}/{patient}"
    label = normalised(group.name)
    if label == PNEUMONIA:
        words = (kind for word, kind in _SUBTYPES.items() if word in path.name.lower())
        label = next(words, PNEUMONIA)
    return Sample(path, label, f"{source}/{patient}", source, part, patient_from=patient_from)


def _class_of(sample: Sample) -> str:
    # bacterial and viral ones stay mixed, as their folder is
    return PNEUMONIA if sample.label in _SUBTYPES.values() else sample.label


def _files(group: Path) -> tuple[list[Path], list[Path]]:
    """The files below a folder, and the folders of masks that were passed over."""
    masks = [one for one in _walk(group) if one.is_dir() and _is_mask_folder(one)]
    files = [
        one
        for one in _walk(group)
        if one.is_file() and not any(one.is_relative_to(mask) for mask in masks)
    ]
    return files, masks


def _walk(folder: Path) -> Iterator[Path]:
    return (one for one in folder.glob("**/*") if _is_data(one))


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and _is_data(one))


def _holds_files(folder: Path) -> bool:
    return any(one.is_file() for one in _walk(folder))


def _is_data(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower() not in _NOT_DATA


def _is_mask_folder(path: Path) -> bool:
    return normalised(path.name).split()[-1:] in (["mask"], ["masks"])


def _not_found(folder: Path, below: Sequence[Path]) -> str:
    files = [one.name for one in folder.iterdir() if one.is_file() and _is_data(one)]
    found = f"the folders {_listed(below)}" if below else "no folders"
    if files:
        found += f" and {len(files)} files such as {min(files)}"
    return f"{folder} is not a data set: it has {found}. It needs {LAYOUTS}."


def _listed(paths: Sequence[Path]) -> str:
    names = [one.name for one in paths]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
