"""The DICOM node between Debian's Orthanc and DCMTK's senders."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import StorageCommitmentPushModelInstance

from service.pacs.commitment import ALL_KEPT, StorageCommitmentPushModel
from tests.dicom import file_bytes, radiograph, shadows
from tests.needs import program
from tests.pacs import SC, SR, Node, Orthanc, orthanc, write_xrays, xray
from tests.process import ServiceProcess, free_port, service_process
from tests.waiting import PATIENCE_SECONDS, wait_until

NodeFactory = Callable[..., Node]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive for all tests, which tell their studies apart by their numbers."""
    with orthanc(tmp_path_factory.mktemp("archive") / "orthanc") as running:
        yield running


@pytest.fixture
def make_node(tmp_path: Path, archive: Orthanc, tiny_service: ServiceProcess) -> NodeFactory:
    """Makes a node with nothing in it; keyword arguments are settings."""

    def make(**settings: object) -> Node:
        return Node(
            tmp_path / "node",
            {
                "service_url": tiny_service.url,
                "pacs_port": archive.dicom_port,
                "pacs_aet": "ARCHIVE",
                **settings,
            },
        )

    return make


def results_of(path: Path, archive: Orthanc) -> dict[str, Dataset]:
    """What the archive has of the study of an image, by SOP class."""
    study = pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID
    found = [dataset for dataset in archive.datasets() if dataset.StudyInstanceUID == study]
    by_class = {str(dataset.SOPClassUID): dataset for dataset in found}
    assert len(by_class) == len(found)
    return by_class


def test_an_image_gets_a_report_and_a_picture_and_is_deleted(
    make_node: NodeFactory, archive: Orthanc, tiny_service: ServiceProcess, tmp_path: Path
) -> None:
    [path] = write_xrays(tmp_path / "sent", [1001])
    with make_node().running() as node:
        assert node.send(path).returncode == 0
        wait_until(lambda: node.states() == {"done": 1}, "done")
        wait_until(lambda: not node.kept_files(), "deleted")
        log = node.log()
        [row] = node.images()
    [answered] = [
        line
        for line in tiny_service.log_lines()
        if (line["message"], line.get("request_id")) == ("answer", row["request_id"])
    ]
    assert answered["model_sha256"] == row["model_sha256"]
    results = results_of(path, archive)
    assert set(results) == {SR, SC}
    image = pydicom.dcmread(path)
    for kind, result in results.items():
        assert result.PatientName == image.PatientName
        assert result.AccessionNumber == image.AccessionNumber
        file = tmp_path / f"{kind}.dcm"
        result.save_as(file)
        judged = subprocess.run(
            [program("dciodvfy", "dicom3tools"), file], capture_output=True, text=True
        )
        assert "Error" not in judged.stderr, judged.stderr
    dump = subprocess.run(
        [program("dsrdump", "dcmtk"), "+Pl", tmp_path / f"{SR}.dcm"],
        capture_output=True,
        check=True,
        encoding="latin-1",
    ).stdout
    assert "UNVERIFIED" in dump
    assert "Not a medical device" in dump
    assert image.SOPInstanceUID in results[SR].to_json()
    for tag in (image.PatientName, image.PatientID, image.SOPInstanceUID, image.StudyInstanceUID):
        assert str(tag) not in log


def test_what_the_service_refuses_is_over_and_in_no_archive(
    make_node: NodeFactory, archive: Orthanc, tmp_path: Path
) -> None:
    [path] = write_xrays(tmp_path / "sent", [1002], BodyPartExamined="HAND")
    with make_node().running() as node:
        assert node.send(path).returncode == 0
        wait_until(lambda: node.states() == {"refused": 1}, "refused")
        wait_until(lambda: not node.kept_files(), "deleted")
    [row] = node.images()
    assert row["reason"] == "not_a_chest_xray"
    assert results_of(path, archive) == {}


def test_a_report_of_a_refusal_is_sent_where_it_is_asked_for(
    make_node: NodeFactory, archive: Orthanc, tmp_path: Path
) -> None:
    [path] = write_xrays(tmp_path / "sent", [1003], BodyPartExamined="HAND")
    with make_node(send_refused=True).running() as node:
        assert node.send(path).returncode == 0
        wait_until(lambda: node.states() == {"refused": 1}, "refused")
    results = results_of(path, archive)
    assert set(results) == {SR}
    assert "NOT_ASSESSED" in results[SR].to_json()


def test_only_those_who_may_associate_do(make_node: NodeFactory, tmp_path: Path) -> None:
    [path] = write_xrays(tmp_path / "sent", [1004])
    with make_node().running() as node:
        for titles in ({"called": "ANOTHER"}, {"calling": "STRANGER"}):
            assert "Rejected" in node.send(path, **titles).stderr
        # the sender may know it before the node counts it
        counted = 'associations_total{result="rejected"} 2.0'
        wait_until(lambda: counted in node.metrics(), "both are counted")
    assert node.images() == []


def test_neither_reports_nor_ct_nor_captures_are_taken(
    make_node: NodeFactory, tmp_path: Path
) -> None:
    with make_node().running() as node:
        for number, sop_class in enumerate((SR, SC, "1.2.840.10008.5.1.4.1.1.2"), 1005):
            [path] = write_xrays(tmp_path / "sent", [number], SOPClassUID=sop_class)
            assert node.send(path).returncode != 0
        [path] = write_xrays(tmp_path / "sent", [1008], ImageType=["DERIVED", "SECONDARY"])
        assert node.send(path).returncode == 0
        wait_until(lambda: node.states() == {"refused": 1}, "the secondary one is refused")
    assert node.kept_files() == []


def test_silent_connections_are_bounded_and_leave_room_again(
    make_node: NodeFactory, tmp_path: Path
) -> None:
    [path] = write_xrays(tmp_path / "sent", [1009])
    with make_node(max_associations=4, network_seconds=2).running() as node:
        silent = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(200)]
        threads = Path(f"/proc/{node.process.pid}/task") if node.process else Path()
        assert len(list(threads.iterdir())) < 60
        wait_until(lambda: node.send(path).returncode == 0, "an image is taken")
        for connection in silent:
            connection.close()


@pytest.mark.parametrize("bound", [{"max_object_bytes": 2**20}, {"object_seconds": 0.5}])
def test_an_object_that_is_too_large_or_too_slow_is_aborted_and_leaves_nothing(
    make_node: NodeFactory, tmp_path: Path, bound: dict[str, float]
) -> None:
    big = tmp_path / "big.dcm"
    big.write_bytes(file_bytes(radiograph(shadows(1024, 1024), SOPInstanceUID="1.2.3.11")))
    with (
        make_node(**bound).running() as node,
        stalling_relay(node, after_bytes=500_000) as (port, resume),
    ):
        command = [program("storescu", "dcmtk"), "-v", "-aec", "PNEUMONIA", "127.0.0.1", str(port)]
        sender = subprocess.Popen([*command, big], stderr=subprocess.PIPE, text=True)
        # on a slow machine it is too slow before it stalls
        wait_until(lambda: resume.stalled or sender.poll() is not None, "stalled")
        time.sleep(1)
        resume.set()
        _, told = sender.communicate(timeout=PATIENCE_SECONDS)
        assert sender.returncode != 0
        assert "(Success)" not in told
        wait_until(lambda: 'associations_total{result="aborted"} 1.0' in node.metrics(), "aborted")
        assert node.images() == []
        assert node.kept_files() == []


def test_a_stalled_transfer_through_a_restart_is_a_failure_for_its_sender_and_leaves_nothing(
    make_node: NodeFactory, tmp_path: Path
) -> None:
    big = tmp_path / "big.dcm"
    big.write_bytes(file_bytes(radiograph(shadows(1024, 1024), SOPInstanceUID="1.2.3.10")))
    node = make_node()
    with stalling_relay(node, after_bytes=500_000) as (port, resume):
        command = [program("storescu", "dcmtk"), "-v", "-aec", "PNEUMONIA", "127.0.0.1", str(port)]
        with node.running():
            sender = subprocess.Popen([*command, big], stderr=subprocess.PIPE, text=True)
            wait_until(lambda: resume.stalled, "stalled")
            node.stop()
        with node.running():
            resume.set()
            _, told = sender.communicate(timeout=PATIENCE_SECONDS)
            assert sender.returncode != 0
            assert "(Success)" not in told
            assert node.images() == []
            assert node.kept_files() == []
            assert node.send(big).returncode == 0
            wait_until(lambda: sum(node.states().values()) == 1, "taken")


def test_a_shadow_service_that_hangs_delays_no_answer(
    make_node: NodeFactory, tmp_path: Path
) -> None:
    [path] = write_xrays(tmp_path / "sent", [1010])
    with socket.create_server(("127.0.0.1", 0)) as shadow:
        shadow.settimeout(PATIENCE_SECONDS)
        url = f"http://127.0.0.1:{shadow.getsockname()[1]}"
        with make_node(shadow_url=url).running() as node:
            assert node.send(path).returncode == 0
            asked, _ = shadow.accept()
            with asked:
                assert node.states().keys() <= {"answered", "stored", "done"}
                wait_until(lambda: node.states() == {"done": 1}, "done")


def test_a_second_node_leaves_the_folder_of_the_first_alone(make_node: NodeFactory) -> None:
    with make_node().running() as node:
        second = Node(node.folder, node.settings).command("serve")
        assert second.returncode == 1
        assert "another node works in this folder" in second.stderr


def test_a_node_that_lets_nobody_send_says_what_to_set(make_node: NodeFactory) -> None:
    result = make_node(calling_aets="").command("serve")
    assert result.returncode == 1
    assert "PNEUMONIA_PACS_CALLING_AETS" in result.stderr


def test_a_full_disk_is_told_and_no_image_is_lost(
    make_node: NodeFactory, archive: Orthanc, tiny_model: Path, tmp_path: Path
) -> None:
    """Twenty images of 156 kB come to a folder of 3 MB, of which 1 MB is left free."""
    paths = []
    for number in range(1100, 1120):
        paths.append(tmp_path / f"{number}.dcm")
        paths[-1].write_bytes(
            file_bytes(xray(number, Rows=300, Columns=260, PixelData=bytes(156_000)))
        )
    port = free_port()
    node = make_node(service_url=f"http://127.0.0.1:{port}", min_free_bytes=1_000_000)
    node.folder.mkdir()
    bwrap = [program("bwrap", "bubblewrap"), "--dev-bind", "/", "/", "--die-with-parent"]
    bwrap += ["--size", "3145728", "--tmpfs", str(node.folder)]
    with node.running(("-m", "service", "pacs", "serve"), under=bwrap):
        taken = node.acknowledged(paths)
        assert taken
        assert taken < set(paths)
        assert "(Refused: OutOfResources)" in node.send(paths[-1]).stderr
        with service_process(tiny_model, tmp_path, port=port, input_check="flag"):
            waiting = set(paths) - taken

            def all_taken() -> bool:
                waiting.difference_update(node.acknowledged(sorted(waiting)))
                return not waiting

            wait_until(all_taken, "room for all", pause=lambda _: time.sleep(1))
            wait_until(lambda: node.count("done") == 20, "all done")
    studies = {pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID for path in paths}
    kinds = [kind for kind, study, _ in archive.stored() if study in studies]
    assert sorted(kinds) == sorted([SR, SC] * 20)


def test_storage_commitment_is_reported_to_the_peers_address(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    node = Node(tmp_path / "node", {"service_url": tiny_service.url})
    modalities = {"node": ["PNEUMONIA", "127.0.0.1", node.port]}
    with orthanc(tmp_path / "orthanc", DicomModalities=modalities) as device:
        node.settings |= {
            "pacs_port": device.dicom_port,
            "pacs_aet": "ARCHIVE",
            "commitment_peers": f"ARCHIVE=127.0.0.1:{device.dicom_port}",
        }
        image = xray(1200)
        device.put(image)
        kept = {"SOPClassUID": image.SOPClassUID, "SOPInstanceUID": image.SOPInstanceUID}
        unknown = {**kept, "SOPInstanceUID": "1.2.3.404"}
        with node.running():
            [name] = device.ask("/instances")
            device.ask("/modalities/node/store", content=name)
            wait_until(lambda: node.states() == {"done": 1}, "done")
            # refused unseen: nothing of it is kept, whatever the sender was told
            made = xray(1201, ImageType=["DERIVED", "SECONDARY"])
            device.ask("/modalities/node/store", content=device.put(made))
            unseen = {**kept, "SOPInstanceUID": made.SOPInstanceUID}
            for instances, status in (
                ([kept], "Success"),
                ([kept, unknown], "Failure"),
                ([unseen], "Failure"),
            ):
                asked = device.ask(
                    "/modalities/node/storage-commitment",
                    content={"DicomInstances": [list(item.values()) for item in instances]},
                )

                def reported(path: str = asked["Path"], status: str = status) -> bool:
                    return bool(device.ask(path)["Status"] == status)

                wait_until(reported, f"reported as {status}")


def test_storage_commitment_is_reported_on_the_association_that_asked(
    make_node: NodeFactory, tmp_path: Path
) -> None:
    [path] = write_xrays(tmp_path / "sent", [1210])
    image, reports = pydicom.dcmread(path), list[tuple[int | None, Dataset]]()

    acknowledged = threading.Event()

    def take(event: evt.Event) -> tuple[int, None]:
        reports.append((event.event_type, event.event_information))
        return 0, None

    def note_sent(event: evt.Event) -> None:
        if reports and isinstance(event.pdu, P_DATA_TF):
            acknowledged.set()

    device = AE("STORESCU")
    device.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
    device.add_requested_context(StorageCommitmentPushModel)
    reference, request = Dataset(), Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    request.TransactionUID = "1.2.3.1210"
    request.ReferencedSOPSequence = [reference]
    with make_node().running() as node:
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_N_EVENT_REPORT, take),
            (evt.EVT_PDU_SENT, note_sent),
        ]
        association = device.associate(
            "127.0.0.1", node.port, ae_title="PNEUMONIA", evt_handlers=handlers
        )
        assert association.send_c_store(image).Status == 0
        instance = StorageCommitmentPushModelInstance
        status, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, instance)
        assert status.Status == 0
        # A release that overtakes the response to the report is an error in pynetdicom.
        assert acknowledged.wait(PATIENCE_SECONDS)
        association.release()
    [(kind, told)] = reports
    assert kind == ALL_KEPT
    assert told.TransactionUID == request.TransactionUID
    [kept] = told.ReferencedSOPSequence
    assert kept.ReferencedSOPInstanceUID == image.SOPInstanceUID


class _Gate(threading.Event):
    stalled = False


@contextmanager
def stalling_relay(node: Node, after_bytes: int) -> Iterator[tuple[int, _Gate]]:
    """A port whose first connection is passed on to a node, but stalls after some bytes."""
    gate = _Gate()

    def relay(listener: socket.socket) -> None:
        sender, _ = listener.accept()
        with sender, socket.create_connection(("127.0.0.1", node.port)) as receiver:
            threading.Thread(target=pass_on, args=(receiver, sender), daemon=True).start()
            pass_on(sender, receiver, after_bytes)

    def pass_on(source: socket.socket, target: socket.socket, stall_after: float = inf) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(4096):
                passed += len(data)
                if passed > stall_after and not gate.is_set():
                    gate.stalled = True
                    gate.wait(PATIENCE_SECONDS)
                target.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=relay, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], gate
