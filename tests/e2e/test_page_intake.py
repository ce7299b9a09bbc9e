"""The ways in: choose, drop, drop a folder, paste; and what never gets out."""

import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.browser import Reader, upload
from tests.images import image_bytes

BRIGHT = image_bytes(200)


def test_many_files_are_chosen_at_once(reader: Reader) -> None:
    reader.add(
        upload("one.jpg", BRIGHT), upload("two.png", image_bytes(60, kind="PNG"), "image/png")
    )
    expect(reader.names).to_have_text(["one.jpg", "two.png"])
    expect(reader.case("one.jpg")).to_contain_text("Pneumonia")
    expect(reader.case("two.png")).to_contain_text("Normal")


def test_files_are_dropped(reader: Reader, tmp_path: Path) -> None:
    files = [tmp_path / "left.jpg", tmp_path / "right.jpg"]
    for file in files:
        file.write_bytes(BRIGHT)
    drop(reader, files)
    expect(reader.cases).to_have_count(2)
    expect(reader.page.locator("#drop")).to_be_hidden()
    reader.wait_until_read()
    expect(reader.case("right.jpg")).to_contain_text("Pneumonia")


def test_a_dropped_folder_gives_all_its_files(reader: Reader, tmp_path: Path) -> None:
    ward = tmp_path / "ward"
    (ward / "deep").mkdir(parents=True)
    for name in ("first.jpg", "deep/second.jpg", ".hidden"):
        (ward / name).write_bytes(BRIGHT)
    drop(reader, [ward])
    expect(reader.cases).to_have_count(2)
    assert sorted(reader.names.all_inner_texts()) == ["first.jpg", "second.jpg"]


def test_dragging_files_over_the_page_shows_where_to_let_go(reader: Reader, tmp_path: Path) -> None:
    file = tmp_path / "file.jpg"
    file.write_bytes(BRIGHT)
    place = reader.page.locator("#drop")

    def shows_while_something_hovers() -> bool:
        drag(reader, [file], "dragOver")  # which a browser repeats, and the page forgets soon
        return place.is_visible()

    drag(reader, [file], "dragEnter")
    reader.wait_until(shows_while_something_hovers, "the place to let go is shown")
    drag(reader, [file], "dragCancel")
    expect(place).to_be_hidden()


def test_an_image_is_pasted(reader: Reader) -> None:
    reader.page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", {type: "image/jpeg"}));
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
        }""",
        list(BRIGHT),
    )
    expect(reader.case("pasted.jpg")).to_contain_text("Pneumonia")


def test_a_file_chosen_before_the_model_is_known_is_read_then(reader: Reader) -> None:
    held: list[Route] = []
    reader.page.route("**/model", lambda route: held.append(route))
    reader.open(ready=False)
    expect(reader.page.get_by_role("button", name="Choose files")).to_be_visible()
    reader.add(upload("early.jpg", BRIGHT), wait=False)
    reader.wait_until(lambda: held, "the model was asked for")
    expect(reader.cases).to_have_count(0)
    held[0].continue_()
    expect(reader.case("early.jpg")).to_contain_text("Pneumonia")


def test_a_starting_service_is_waited_for(reader: Reader) -> None:
    problem = {"code": "not_ready", "status": 503, "detail": "The model is being loaded."}
    reader.page.route("**/model", lambda route: route.fulfill(status=503, json=problem))
    reader.open(ready=False)
    expect(reader.page.locator("#notice")).to_contain_text("The service is starting")
    reader.page.unroute("**/model")
    reader.page.wait_for_selector("body[data-ready]")
    expect(reader.page.locator("#notice")).to_be_hidden()


def test_file_names_do_not_leave_the_browser(reader: Reader) -> None:
    reader.add(upload("Doe^Jane.jpg", BRIGHT))
    reader.wait_for_image()
    posts = [request for request in reader.requests if request.method == "POST"]
    assert len(posts) == 3  # the answer, the plain image, the evidence
    for request in posts:
        headers = request.all_headers()
        assert "Doe" not in request.url + str(headers)
        # bare bytes: a form would carry the name
        assert headers["content-type"] == "image/jpeg"
        assert headers["content-length"] == str(len(BRIGHT))


def test_nothing_is_stored_in_the_browser(reader: Reader) -> None:
    reader.add(upload("kept.jpg", BRIGHT))
    reader.wait_for_image()
    reader.page.get_by_role("button", name="Dark theme").click()
    reader.page.get_by_label("Screening").check()
    reader.page.locator("#language").select_option("fr")
    expect(reader.page).to_have_url(re.compile("theme=dark.*point=screening"))
    stored = reader.page.evaluate(
        """async () => [
            localStorage.length, sessionStorage.length, document.cookie,
            (await caches.keys()).length, (await indexedDB.databases()).length,
            (await navigator.serviceWorker?.getRegistrations() ?? []).length,
        ]"""
    )
    assert stored == [0, 0, "", 0, 0, 0]
    reader.page.reload()
    reader.page.wait_for_selector("body[data-ready]")
    assert reader.cases.count() == 0


def drop(reader: Reader, paths: Sequence[Path]) -> None:
    """Let files or folders of the disk fall on the page, as a file manager does."""
    for kind in ("dragEnter", "dragOver", "drop"):
        drag(reader, paths, kind)


def drag(reader: Reader, paths: Sequence[Path], kind: str) -> None:
    session = reader.page.context.new_cdp_session(reader.page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    session.detach()
