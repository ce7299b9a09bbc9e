"""Language, theme and operating point: chosen in the page, kept in its address."""

import json
import re
from typing import Literal

import pytest
from playwright.sync_api import expect

from service.http.problem_details import CODES
from service.inference.population import OUTSIDE_POPULATION
from tests.browser import Reader, upload
from tests.images import image_bytes
from tests.process import ROOT

TEXTS = ROOT / "service" / "web" / "texts"
LANGUAGES = {"en": "Not a medical device", "es": "No es un producto sanitario", "fr": "dispositif"}
RAW_KEY = re.compile(
    r"\b(?:card|case|list|undo|tool|state|decision|problem|viewer|model)\.[a-z_]+\b"
)


def words(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((TEXTS / f"{language}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("language", sorted(path.stem for path in TEXTS.glob("*.json")))
def test_every_language_says_everything_with_the_same_blanks(language: str) -> None:
    def blanks(text: str) -> list[str]:
        return sorted(re.findall(r"\{\w+\}", text))

    english, other = words("en"), words(language)
    assert list(other) == list(english)
    assert {key: blanks(other[key]) for key in other} == {
        key: blanks(english[key]) for key in english
    }
    assert all(text.strip() for text in other.values())


def test_every_text_that_the_page_asks_for_is_there() -> None:
    """Also the reverse: no text that nothing asks for."""
    sources = [ROOT / "service" / "web" / "index.html", *(TEXTS.parent / "js").glob("*.js")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    # what a text becomes where the model looks for something else than pneumonia
    keys = {key.removesuffix(".finding") for key in words("en")}
    asked = set(re.findall(r'(?:say\(\s*|data-(?:text|label|placeholder)"?[=:] ?)"([\w.]+)"', code))
    assert asked <= keys
    # a group that is asked for by a name put together, `problem.${code}`, is used as a whole
    groups = set(re.findall(r"[`\"(]([a-z_]+)\.\$\{|name\(\"(\w+)\"", code))
    used = {part for pair in groups for part in pair if part}
    literals = set(re.findall(r'"([a-z_]+(?:\.\w+)+)"', code))
    unused = {
        key
        for key in keys
        if key not in code and key.split(".")[0] not in used and key not in literals
    }
    plain = {key for key in unused if not key.endswith((".one",))}
    assert plain == set()


def test_every_problem_and_every_warning_of_the_service_has_words() -> None:
    """Also the reverse for warnings: no words for one that the service does not give."""
    known = {key.removesuffix(".finding") for key in words("en")}
    # what only a program can bring about that asks for other things than this page
    foreign = {"bad_request", "not_found", "method_not_allowed", "no_evidence"}
    for code in set(CODES) - foreign:
        assert {f"problem.{code}", f"problem.{code}.do"} <= known, code
    sources = (ROOT / "service").rglob("*.py")
    given = {
        code
        for path in sources
        for code in re.findall(r'PredictionWarning\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    given.add(OUTSIDE_POPULATION)
    assert {f"warning.{code}" for code in given} == {
        key for key in known if key.startswith("warning.")
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_each_language(reader: Reader, language: str) -> None:
    reader.add(upload("bright.jpg", image_bytes(200)), upload("notes.txt", b"hello"))
    reader.page.locator("#language").select_option(language)
    expect(reader.page.locator("html")).to_have_attribute("lang", language)
    expect(reader.page.locator("footer.bottom")).to_contain_text(LANGUAGES[language])
    expect(reader.verdict).to_contain_text(words(language)["decision.pneumonia"])
    expect(reader.case("notes.txt")).to_contain_text(words(language)["problem.unsupported_type"])
    for key in ("m", "?"):
        reader.page.keyboard.press(key)
        expect(reader.page.locator("dialog[open]")).to_be_visible()
        assert not RAW_KEY.search(reader.page.locator("body").inner_text())
        reader.page.keyboard.press("Escape")


def test_the_browsers_language_is_taken_first(reader: Reader) -> None:
    reader.page.add_init_script(
        "Object.defineProperty(navigator, 'languages', {get: () => ['de-DE', 'fr-CA', 'en']})"
    )
    reader.page.goto(f"{reader.url}/")
    reader.page.wait_for_selector("body[data-ready]")
    expect(reader.page.locator("html")).to_have_attribute("lang", "fr")


@pytest.mark.parametrize("system", ["dark", "light"])
def test_the_systems_theme_is_followed_until_another_is_chosen(
    reader: Reader, system: Literal["dark", "light"]
) -> None:
    def brightness() -> int:
        colour = reader.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(re.findall(r"\d+", colour)[0])

    def is_light() -> bool:
        return brightness() > 200

    other: Literal["dark", "light"] = "light" if system == "dark" else "dark"
    reader.page.emulate_media(color_scheme=system)
    assert is_light() == (system == "light")
    reader.page.emulate_media(color_scheme=other)
    assert is_light() == (other == "light")
    reader.page.emulate_media(color_scheme=system)
    reader.page.get_by_role("button", name=f"{other.capitalize()} theme").click()
    assert is_light() == (other == "light")
    expect(reader.page).to_have_url(re.compile(f"theme={other}"))
    reader.page.reload()
    reader.page.wait_for_selector("body[data-ready]")
    assert is_light() == (other == "light")
    reader.page.get_by_role("button", name=f"{system.capitalize()} theme").click()
    assert is_light() == (system == "light")
    expect(reader.page).not_to_have_url(re.compile("theme="))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_surfaces_are_neutral_grey(reader: Reader, theme: str) -> None:
    """A tint beside an X-ray changes how it is seen."""
    reader.open(f"theme={theme}")
    reader.add(upload("bright.jpg", image_bytes(200)))
    colours = reader.page.evaluate(
        """() => [...document.querySelectorAll("body, header, main, footer, section, article")]
            .map(element => getComputedStyle(element).backgroundColor)"""
    )
    for colour in colours:
        red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
        assert red == green == blue, colour


def test_the_operating_point_is_kept_in_the_address(reader: Reader) -> None:
    reader.page.get_by_label("Screening").check()
    expect(reader.page).to_have_url(re.compile("point=screening"))
    reader.page.reload()
    reader.page.wait_for_selector("body[data-ready]")
    expect(reader.page.get_by_label("Screening")).to_be_checked()


def test_an_operating_point_that_the_model_lacks_falls_back_to_balanced(reader: Reader) -> None:
    reader.open("point=gone")
    expect(reader.page.get_by_label("Balanced")).to_be_checked()
    reader.add(upload("bright.jpg", image_bytes(200)))
    expect(reader.verdict).to_contain_text("Pneumonia")
