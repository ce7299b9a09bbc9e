"""Mutated DICOM files, forms and model contracts, and any request the OpenAPI document allows.

Here in short; `make fuzz` sets FUZZ_INPUTS. Files and forms go to a running service, which must
answer each in time with an answer or a refusal, and give everything back; contracts must be read or
refused in one sentence. An input is made from its number alone, and kept where it is a find.
Decoders of JPEG, PNG and the like are Pillow's, and fuzzed there.
"""

import http.client
import json
import os
import random
import re
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnx
import pytest

from benchmarks.load import Payload, form, forms
from benchmarks.traffic import Client, Kind
from benchmarks.usage import Usage, answers
from service.errors import ModelFileError
from service.inference.model import OnnxModel
from service.runtime.cpus import busy_threads
from tests import needs
from tests.dicom_files import as_radiograph, real_files
from tests.images import image_bytes
from tests.process import ROOT, ServiceProcess, service_process
from tests.waiting import PATIENCE_SECONDS, wait_until

INPUTS = int(os.environ.get("FUZZ_INPUTS", "300"))
SCHEMATHESIS = ROOT / ".tools" / "bin" / "schemathesis"
MOST_KEPT_MEGABYTES = 128
LARGEST_SEED = 1 << 18
# No schema says which bytes are an X-ray, so that a valid request may be refused and an invalid one
# be accepted; and the service has no keys here.
LEFT_OUT = ("positive_data_acceptance", "negative_data_rejection", "ignored_auth")

# bytes that programs stumble over, and values no contract may hold everywhere
BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    0.5,
    1e308,
    1 << 40,
    "",
    "x",
    [],
    [0],
    [0.9, 0.1],
    {},
    {"x": 0},
)
EXPLICIT_HEADER = re.compile(rb"[A-Z]{2}[\0-\x40][\0-\x02]")

SMALL = image_bytes(size=(64, 48))
FORMS = {
    "/predict": [form([SMALL]).bodies[0], forms([[SMALL, b"no image"]], "file").bodies[0]],
    "/predict/batch": forms([[SMALL, b"no image"], [SMALL] * 3], "files").bodies,
}


@pytest.fixture(scope="module")
def service(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service that must hold no more at the end than at the start and has answered no 5xx."""
    folder = tmp_path_factory.mktemp("service")
    # no answer is late on a machine that is busy with other things
    with service_process(tiny_model, folder, deadline_seconds=600) as running:
        before, asked = Usage.of(running), answers(running)
        yield running

        def left_over() -> list[str]:
            return Usage.of(running).kept_since(before, MOST_KEPT_MEGABYTES, busy_threads())

        with suppress(AssertionError):  # it may not have seen yet that the last client is gone
            wait_until(lambda: not left_over(), "all is given back")
        assert left_over() == []
        assert [status for status in answers(running) - asked if status >= "500"] == []


def test_dicom_files(service: ServiceProcess) -> None:
    """Real ones, each turned into a chest radiograph by its header so that its pixels are read."""
    files = [as_radiograph(path.read_bytes()) for path in real_files().values()]
    files = [data for data in files if 0 < len(data) < LARGEST_SEED]
    send(service, Kind("DICOM", "/predict", Payload("application/dicom", files), frozenset()))


@pytest.mark.parametrize("path", FORMS)
def test_forms(service: ServiceProcess, path: str) -> None:
    payload = Payload(form([]).content_type, FORMS[path])
    send(service, Kind("form", path, payload, frozenset()))


def test_contracts(tiny_model: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_model)
    entry = next(one for one in model.metadata_props if one.key == "pneumonia_contract")
    contract, finds = entry.value, []
    for number in range(INPUTS):
        entry.value = changed(contract, random.Random(number))
        onnx.save(model, tmp_path / "changed.onnx")
        try:
            OnnxModel(tmp_path / "changed.onnx")
        except ModelFileError as error:
            assert "\n" not in error.detail
        except Exception as error:  # noqa: BLE001 - anything else is what is looked for
            finds.append(kept(f"contract-{number}", entry.value.encode(), repr(error)))
    assert finds == []


def test_requests_made_from_the_openapi_document(service: ServiceProcess, tmp_path: Path) -> None:
    """Schemathesis checks each answer against the document: status, type, headers, schema."""
    if not SCHEMATHESIS.exists():
        needs.missing("needs schemathesis: use `make test`")
    command = [
        *(str(SCHEMATHESIS), "run", f"{service.url}/openapi.json", "--seed", "0", "--no-color"),
        *("--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)),
        *("--max-examples", str(INPUTS // 15), "--continue-on-failure"),
        *("--generation-database", "none"),
        # how long it takes is no fault
        *("--request-timeout", str(PATIENCE_SECONDS), "--suppress-health-check", "too_slow"),
    ]
    assert subprocess.run(command, cwd=tmp_path).returncode == 0


def send(service: ServiceProcess, kind: Kind) -> None:
    """Send mutated bodies one after another; each must get an answer, and none a 5xx."""
    assert kind.payload
    client, finds = Client(service), []
    for number in range(INPUTS):
        body = mutated(kind.payload.bodies, number)
        try:
            outcome = client.send(kind, body)
        except (OSError, http.client.HTTPException) as error:
            outcome = repr(error)
        if outcome[0] not in "24":
            finds.append(kept(f"{kind.name}-{number}", body, outcome))
        assert service.process.poll() is None, finds
    client.close()
    assert finds == []


def kept(name: str, data: bytes, what: str) -> str:
    """Keep an input that must become a test."""
    file = ROOT / "build" / "fuzz" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return f"{file}: {what}"


def mutated(seeds: Sequence[bytes], number: int) -> bytes:
    """Input ``number``: a seed after one to three mutations."""
    rng = random.Random(number)
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 3)):
        if data:
            mutate(data, rng, rng.choice(seeds))
    return bytes(data)


def mutate(data: bytearray, rng: random.Random, other: bytes) -> None:
    """Flip, set, cut, leave out, put in, or change the length of a DICOM element."""
    # before DICOM's pixel data, where they begin and codecs look, or anywhere
    pixels = max(data.find(b"\xe0\x7f\x10\0"), 0)
    low, high = rng.choice(((0, pixels), (pixels, pixels + 700), (0, len(data))))
    at = min(rng.randrange(low, max(high, low + 1)), len(data) - 1)
    length = rng.randint(1, 300)
    match rng.randrange(6):
        case 0:
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            data[at : at + 4] = bytes(rng.choices(BYTES, k=rng.choice((1, 2, 4))))
        case 2:
            del data[at:]
        case 3:
            del data[at : at + length]
        case 4:
            begin = rng.randrange(len(other))
            data[at:at] = other[begin : begin + length]
        case _:
            headers = list(EXPLICIT_HEADER.finditer(data, 0, 10_000))
            if headers:
                place = rng.choice(headers).start() + rng.choice((0, 2, 2, 4))
                number = rng.choice((0, 1, 3, 0xFFFE, 0xFFFF))
                data[place : place + 2] = struct.pack("<H", number)


def changed(contract: str, rng: random.Random) -> str:
    """A contract's JSON with one value, however deep, replaced or left out."""
    root = json.loads(contract)
    node, key = root, rng.choice(list(root))
    while isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.7:
        node = node[key]
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
    if rng.random() < 0.1:
        del node[key]
    else:
        node[key] = rng.choice(VALUES)
    return json.dumps(root)
