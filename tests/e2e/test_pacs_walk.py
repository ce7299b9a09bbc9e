"""Three hundred images through the node while everything around it, and it itself, goes wrong."""

from collections import Counter
from functools import partial
from pathlib import Path

import pydicom

from tests.pacs import SC, SR, Node, orthanc, write_xrays
from tests.pacs_node import POINTS
from tests.process import ServiceProcess, free_port
from tests.waiting import LONG_PATIENCE_SECONDS, wait_until

IMAGES = 300
PENDING = {"received", "answered", "stored"}
REFUSED = range(20)  # a body part that the service does not judge
CONFLICTS = range(280, 290)
# points that are passed only when results can be sent
AFTER_ANSWERS = [point for point in POINTS if point.split()[-1] in ("results", "stored", "done")]
# an image is given up where the service fails over it, which test_pacs_upkeep.py arranges
GIVEN_UP = ["before dead", "after dead"]
BEFORE = [point for point in POINTS if point not in (*AFTER_ANSWERS, *GIVEN_UP)]


def test_nothing_that_was_acknowledged_is_lost(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    paths = write_xrays(tmp_path / "sent", range(IMAGES))
    for number in REFUSED:
        write_xrays(tmp_path / "sent", [number], BodyPartExamined="HAND")
    waiting, taken = list(paths), set[Path]()
    pacs_port = free_port()
    node = Node(
        tmp_path / "node",
        {"service_url": tiny_service.url, "pacs_port": pacs_port, "pacs_aet": "ARCHIVE"},
    )

    def send(count: int) -> None:
        nonlocal waiting
        now = node.acknowledged(waiting[:count])
        taken.update(now)
        waiting = [path for path in waiting if path not in now]

    def so_many_done(count: int) -> bool:
        return node.states()["done"] >= count

    def killed(point: str, nth: int, count: int) -> None:
        with node.started(("-m", "tests.pacs_node", point, str(nth))):
            # it may come so far by what it had left to do, before it can say that it is ready
            wait_until(lambda: node.health() == 200 or node.ended() is not None, "ready or killed")
            send(count)
            wait_until(lambda: node.ended() == -9, f"killed {point}")

    # the archive is down
    for number, point in enumerate(BEFORE):
        killed(point, 2 + number, 20)
    with node.running():
        send(30)
        assert node.acknowledged(waiting[:3], called="ANOTHER") == set()
        assert node.acknowledged(waiting[:3], calling="STRANGER") == set()
        wait_until(
            lambda: set(node.states()) <= {"answered", "refused"},
            "nothing to ask",
            seconds=LONG_PATIENCE_SECONDS,
        )
        node.stop()
    with orthanc(tmp_path / "orthanc", dicom_port=pacs_port, OverwriteInstances=True) as archive:
        for number, point in enumerate(AFTER_ANSWERS):
            killed(point, 3 + number, 20)
        with node.running():
            while waiting:
                send(100)
            # all once more, and some with other pixels
            assert node.acknowledged(paths[20:60]) == set(paths[20:60])
            others = [
                write_other(tmp_path / "others", paths[number], number) for number in CONFLICTS
            ]
            assert node.acknowledged(others) == set(others)
            for count in range(0, IMAGES - len(REFUSED) + 1, 40):
                wait_until(partial(so_many_done, count), f"{count} done")
            wait_until(lambda: not PENDING & set(node.states()), "over")
            node.stop()
        assert taken == set(paths)
        states = {(row["sop_instance_uid"], row["state"]) for row in node.images()}
        expected = Counter(done=IMAGES - len(REFUSED), refused=len(REFUSED))
        expected["conflict"] = len(CONFLICTS)
        assert Counter(state for _, state in states) == expected
        assert len(states) == len(node.images())
        done = {instance for instance, state in states if state == "done"}
        studies = {
            str(image.StudyInstanceUID): str(image.SOPInstanceUID)
            for image in (pydicom.dcmread(path, stop_before_pixels=True) for path in paths)
        }
        stored = archive.stored()
        assert Counter((kind, studies[study]) for kind, study, _ in stored) == Counter(
            (kind, instance) for instance in done for kind in (SR, SC)
        )
    # what it was killed over before it had answered for it is removed ten minutes later
    assert node.needed_files() == len(CONFLICTS)


def write_other(folder: Path, path: Path, number: int) -> Path:
    """The same instance with other pixels."""
    folder.mkdir(exist_ok=True)
    image = pydicom.dcmread(path)
    image.PixelData = bytes(reversed(image.PixelData))
    other = folder / f"{number}.dcm"
    image.save_as(other)
    return other
