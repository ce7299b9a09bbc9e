"""The page, the documentation and their files."""

import re

from tests.client import AppClient


def test_pages_load_only_what_the_service_has(client: AppClient) -> None:
    for path in ("/", "/docs", "/redoc"):
        page = client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        files = [source for source in sources if source.startswith("static/")]
        assert files
        for file in files:
            assert client.get(f"/{file}").status_code == 200


def test_browsers_ask_again_and_get_only_what_changed(client: AppClient) -> None:
    for path in ("/", "/static/docs/swagger.js"):
        first = client.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get(path, headers={"if-none-match": '"other"'})
        assert other.content == first.content
        assert client.request("HEAD", path).headers["etag"] == first.headers["etag"]


def test_types(client: AppClient) -> None:
    for name, kind in {
        "docs/swagger.js": "text/javascript; charset=utf-8",
        "docs/swagger-ui.css": "text/css; charset=utf-8",
        "docs/redoc.LICENSE.txt": "text/plain; charset=utf-8",
    }.items():
        assert client.get(f"/static/{name}").headers["content-type"] == kind


def test_nothing_outside_the_folder(client: AppClient) -> None:
    for name in ("../app.py", "%2e%2e/app.py", "docs/../../app.py", "", "docs", "/etc/passwd"):
        assert client.get(f"/static/{name}").status_code == 404


def test_ranges_are_ignored(client: AppClient) -> None:
    whole = client.get("/static/example.jpg")
    for range_ in ("bytes=0-9", "bytes=abc", "bytes=99999999-", "items=1"):
        response = client.get("/static/example.jpg", headers={"range": range_})
        assert (response.status_code, response.content) == (200, whole.content)
