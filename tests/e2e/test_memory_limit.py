"""A container's memory limit, by a real control group: fewer workers, and nobody is killed."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.images import encode
from tests.process import service_process

LIMIT = 1536 * 2**20  # docker-compose.yml's
WANTED = 9
SIDE = 8000  # 64 megapixels
SECONDS = 540.0

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with compose's memory limit; few sandboxes let a test make one."""
    root, name = (
        (V1, "memory.limit_in_bytes")
        if (V1 / "memory.limit_in_bytes").exists()
        else (V2, "memory.max")
    )
    folder = root / f"pneumonia-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / name).write_text(str(LIMIT))
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"needs a memory control group of its own: {error.strerror}")
    try:
        yield folder
    finally:
        folder.rmdir()


def test_as_many_large_images_as_cores_are_answered_within_the_limit(
    tiny_model: Path, tmp_path: Path, group: Path
) -> None:
    colour = encode(Image.new("RGBA", (SIDE, SIDE), (120, 120, 120, 255)), "PNG", compress_level=1)
    settings: dict[str, Any] = {
        "workers": WANTED,
        "max_upload_memory": 256 * 2**20,
        "max_wait_seconds": 600,
        "deadline_seconds": 600,
        "input_check": "flag",
    }
    with service_process(tiny_model, tmp_path, group=group, **settings) as service:
        lines = {str(line["message"]): line for line in service.log_lines()}
        assert (lines["ready"]["workers"], lines["ready"]["memory_limit"]) == (3, LIMIT)
        [told] = [line for line in lines.values() if line["level"] == "warning"]
        assert (told["workers"], told["wanted"]) == (3, WANTED)

        def ask(_: int) -> int:
            return httpx.post(f"{service.url}/predict", content=colour, timeout=SECONDS).status_code

        with ThreadPoolExecutor(WANTED) as pool:
            assert set(pool.map(ask, range(WANTED))) == {200}
        assert service.get("/health").status_code == 200
