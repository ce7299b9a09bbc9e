"""Every DICOM file of pydicom and pydicom-data, and one chest radiograph in all its forms."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_windowing

from service.errors import PneumoniaError, UnsupportedType
from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.preprocess import to_model_input
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel
from service.inference.predictor import Predictor
from service.settings import DEFAULT_MODEL
from tests.dicom import file_bytes, lut, radiograph, read
from tests.dicom_files import real_file, real_files
from tests.dicom_matrix import REPORT
from tests.needs import program
from tests.process import ROOT
from training.reports.files import read as read_report

CHEST = "RG1_UNCR.dcm"


def expected_code(path: Path) -> str:
    """What the answer must be, by what pydicom finds in the file."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    if dataset.get("Modality") not in ("CR", "DX"):
        return "unsupported_type"
    if dataset.get("ViewPosition") == "LL" or dataset.get("BodyPartExamined") != "CHEST":
        return "not_a_chest_xray"
    return "read" if "PixelData" in pydicom.dcmread(path) else "undecodable_image"


@pytest.mark.parametrize("name", real_files())
@pytest.mark.filterwarnings("ignore:::pydicom")
def test_each_file_gets_the_right_answer(name: str, dicom_pool: DicomPool) -> None:
    path = real_files()[name]
    try:
        radiograph = decode(path.read_bytes(), Limits(), pool=dicom_pool)
    except PneumoniaError as error:
        assert error.code == expected_code(path)
        return
    assert expected_code(path) == "read"
    dataset = pydicom.dcmread(path)
    assert (radiograph.height, radiograph.width) == (dataset.Rows, dataset.Columns)
    shown = apply_windowing(dataset.pixel_array, dataset) / ((1 << dataset.BitsStored) - 1)
    assert dataset.PhotometricInterpretation == "MONOCHROME1"
    expected = np.rint(255 * (1 - shown)).astype(np.uint8)
    difference = seen(radiograph.image) - seen(Image.fromarray(expected))
    assert np.abs(difference).mean() < 0.5


def test_the_published_matrix_is_what_the_decoder_does_and_nothing_is_printed(
    tmp_path: Path,
) -> None:
    """Whatever a file holds, no warning or message of a library repeats it."""
    program_text = """
import json, pathlib, sys, tests.dicom_matrix
pathlib.Path(sys.argv[1]).write_text(json.dumps(tests.dicom_matrix.measure()))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program_text, str(tmp_path / "found.json")],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    found, published = (read_report(path) for path in (tmp_path / "found.json", REPORT))
    assert found == {name: published[name] for name in found}, "out of date: make bench-dicom"


def seen(image: Image.Image) -> Any:
    """What a model of 224 x 224 sees."""
    return to_model_input(image, 224, 224).astype(int)


def values(image: Image.Image) -> Any:
    """Its pixels, in integers whose differences are right."""
    return np.asarray(image).astype(int)


def twins() -> dict[str, bytes]:
    """The same image, black at its left edge, written in other ways, smaller to be quick."""
    whole = read(real_file(CHEST)).pixel_array
    rows, columns = (side // 3 for side in whole.shape)
    parts = whole[: 3 * rows, : 3 * columns].reshape(rows, 3, columns, 3)
    values = parts.mean(axis=(1, 3)).astype(np.uint16)
    values[:, :12] = 32767
    window: dict[str, Any] = {"WindowCenter": 15000, "WindowWidth": 30000}
    plain = {**window, "PhotometricInterpretation": "MONOCHROME1"}
    complement = (32767 - values).astype(np.uint16)
    opposite: dict[str, Any] = {"WindowCenter": 32768 - 15000, "WindowWidth": 30000}
    bits12: dict[str, Any] = {
        "WindowCenter": 15000 / 8,
        "WindowWidth": 30000 / 8,
        "PhotometricInterpretation": "MONOCHROME1",
    }
    ramp = np.clip(np.arange(32768) / 30000, 0, 1)
    voi = lut(np.rint(65535 * ramp).astype(np.uint16), 0, 16)
    modality = lut(np.arange(32768)[::-1].astype(np.uint16), 0, 16)
    signed = (values.astype(np.int32) - 16384).astype(np.int16)
    inverse = {"PresentationLUTShape": "INVERSE"}
    padded = np.maximum(values, 1)
    padded[:, :12] = 0  # white, were it not for the padding value
    eight = 255 - np.rint(255 * ramp[values]).astype(np.uint8)
    made = {
        "plain": radiograph(values, 15, **plain),
        "complement, MONOCHROME2": radiograph(complement, 15, **opposite),
        "both say inverted": radiograph(values, 15, **plain, **inverse),
        "12 bits": radiograph(values >> 3, 12, **bits12),
        "VOI table": radiograph(
            values, 15, VOILUTSequence=voi, PhotometricInterpretation="MONOCHROME1"
        ),
        "modality table": radiograph(values, 15, ModalityLUTSequence=modality, **opposite),
        "rescaled": radiograph(values, 15, RescaleSlope=-1, RescaleIntercept=32767, **opposite),
        "signed": radiograph(signed, 16, RescaleSlope=1, RescaleIntercept=16384, **plain),
        "overlay bits": radiograph(values | 0x8000, 15, **plain),
        "padded": radiograph(padded, 15, **plain, PixelPaddingValue=0),
        "8 bits": radiograph(eight, 8),
    }
    made["padded"]["PixelPaddingValue"].VR = "US"
    files = {name: file_bytes(dataset) for name, dataset in made.items()}
    for syntax in ("implicit", "big endian", "deflated", "RLE", "JPEG-LS", "JPEG 2000"):
        files[syntax] = file_bytes(radiograph(values, 15, **plain), syntax)
    files["JPEG"] = file_bytes(radiograph(eight, 8), "JPEG")
    return files


ORIGINALS = ("RG1_UNCR.dcm", "RG1_UNCI.dcm", "RG1_J2KR.dcm", "RG1_J2KI.dcm")


@pytest.fixture(scope="module")
def forms() -> dict[str, dict[str, bytes]]:
    """Two families of files; all of a family show the same image."""
    return {"originals": {name: real_file(name) for name in ORIGINALS}, "twins": twins()}


@pytest.mark.parametrize("family", ["originals", "twins"])
def test_one_image_in_all_its_forms_looks_the_same_to_the_model_and_gets_the_same_probability(
    forms: dict[str, dict[str, bytes]], family: str
) -> None:
    predictor = Predictor(OnnxModel(DEFAULT_MODEL), refuse=False)
    answers = {name: predictor.predict(data) for name, data in forms[family].items()}
    predictor.close()
    first = next(iter(answers.values()))
    for name, answer in answers.items():
        difference = values(answer.radiograph.image) - values(first.radiograph.image)
        assert np.abs(difference).mean() < 0.5, name
        assert abs(answer.probability - first.probability) <= 0.01, name


DCMTK = {
    "JPEG lossless": ("dcmcjpeg", "+e1"),
    "JPEG lossless, predictor 7": ("dcmcjpeg", "+el", "+sv", "7"),
    "JPEG lossless, predictor 2": ("dcmcjpeg", "+el", "+sv", "2"),
    "JPEG-LS": ("dcmcjpls",),
    "JPEG-LS near-lossless": ("dcmcjpls", "+en"),
    "RLE": ("dcmcrle",),
    "big endian": ("dcmconv", "+tb"),
    "implicit": ("dcmconv", "+ti"),
    "deflated": ("dcmconv", "+td"),
    "no meta information": ("dcmconv", "-F", "+te"),
}


@pytest.mark.parametrize("form", DCMTK)
def test_what_dcmtk_writes_is_the_same_image(
    form: str, tmp_path: Path, dicom_pool: DicomPool
) -> None:
    command, *options = DCMTK[form]
    source = next(path for name, path in real_files().items() if name.endswith(CHEST))
    written = tmp_path / "written.dcm"
    subprocess.run(
        [program(command, "dcmtk"), *options, str(source), str(written)],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    found = values(decode(written.read_bytes(), Limits(), pool=dicom_pool).image)
    original = values(decode(source.read_bytes(), Limits(), pool=dicom_pool).image)
    assert np.abs(found - original).max() <= (1 if "near" in form else 0)


@pytest.mark.parametrize(
    ("process", "match"), [("+ee", "12-bit JPEG"), ("+ep", "progressive JPEG")]
)
def test_jpeg_of_12_bits_and_progressive_jpeg_are_refused_by_name(
    process: str, match: str, tmp_path: Path, dicom_pool: DicomPool
) -> None:
    source = next(path for name, path in real_files().items() if name.endswith(CHEST))
    written = tmp_path / "written.dcm"
    subprocess.run(
        [program("dcmcjpeg", "dcmtk"), process, "+bt", str(source), str(written)],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    with pytest.raises(UnsupportedType, match=match):
        decode(written.read_bytes(), Limits(), pool=dicom_pool)


def test_a_jpeg_that_dcmtk_wraps_is_read_like_the_jpeg(
    tmp_path: Path, dicom_pool: DicomPool
) -> None:
    jpeg, wrapped = tmp_path / "chest.jpg", tmp_path / "chest.dcm"
    decode(real_file(CHEST), Limits(), pool=dicom_pool).image.save(jpeg, quality=90)
    subprocess.run(
        [program("img2dcm", "dcmtk"), "-k", "Modality=CR", str(jpeg), str(wrapped)],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    expected = decode(jpeg.read_bytes(), Limits()).image
    found = decode(wrapped.read_bytes(), Limits(), pool=dicom_pool).image
    np.testing.assert_array_equal(values(found), values(expected))


def test_it_is_shown_as_dcmtk_shows_it(tmp_path: Path, dicom_pool: DicomPool) -> None:
    source = next(path for name, path in real_files().items() if name.endswith(CHEST))
    shown = tmp_path / "shown.pgm"
    subprocess.run(
        [program("dcmj2pnm", "dcmtk"), "+Wi", "1", "+op", str(source), str(shown)],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    found = values(decode(source.read_bytes(), Limits(), pool=dicom_pool).image)
    # dcmtk rounds down
    assert np.abs(found - values(Image.open(shown))).max() <= 1
