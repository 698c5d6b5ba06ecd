"""The drawings keep to the rules beside them in README.md."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "portal" / "static" / "portal" / "drawings"
DRAWINGS = sorted(FOLDER.glob("*.svg"))

HEROES = {"hero", "hero-new-year"}
DOORS = HEROES | {"gate"}
DESERTED = {"empty"}
EXPECTED = HEROES | DESERTED | {
    "press", "body", "paint", "battery", "assembly", "drive",
    "gate", "workshop", "tasting",
}  # fmt: skip

LIMIT = 5120
COLOURS = {
    "#0e3a33", "#17544a", "#2a7565", "#eef5ef", "#b9d3c8", "#ffc93c", "#e4572e",
}  # fmt: skip
LIGHT = "#ffe7a3"
SHAPES = {"path", "circle", "ellipse"}
ELEMENTS = SHAPES | {"svg", "defs", "g", "use"}
ATTRIBUTES = {
    "viewBox", "width", "height", "id", "href", "x", "y", "d", "cx", "cy", "r", "rx", "ry",
    "transform", "fill", "fill-rule", "stroke", "stroke-width", "stroke-linecap",
    "stroke-linejoin", "stroke-dasharray",
}  # fmt: skip
NAMESPACE = "{http://www.w3.org/2000/svg}"
WALKWAY = (
    ("#2a7565", "M0 224h480v52H0z"),
    ("#ffc93c", "M0 224h480v6H0zM0 270h480v6H0z"),
)

each = pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
each_stop = pytest.mark.parametrize("path", [p for p in DRAWINGS if p.stem not in HEROES], ids=lambda path: path.stem)


def read(path):
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def name(element):
    return element.tag.removeprefix(NAMESPACE)


def uses(root, target):
    return [e for e in root.iter(f"{NAMESPACE}use") if e.get("href") == f"#{target}"]


def shapes_without_fill(element, ids, fill=None):
    """Shapes that would be painted black because nothing gives them a fill."""
    fill = element.get("fill", fill)
    if name(element) == "use":
        return shapes_without_fill(ids[element.get("href")[1:]], ids, fill)
    if name(element) in SHAPES:
        return [] if fill else [element.get("d") or element.attrib]
    return [shape for child in element if name(child) != "defs" for shape in shapes_without_fill(child, ids, fill)]


def test_all_drawings_are_there():
    assert {path.stem for path in DRAWINGS} >= EXPECTED


@each
def test_small_and_plain(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < LIMIT
    assert text.isascii()
    for forbidden in ("<!", "<?", "url(", "data:", "xlink"):
        assert forbidden not in text


@each
def test_elements_and_attributes(path):
    root = read(path)
    for element in root.iter():
        assert element.tag.startswith(NAMESPACE)
        assert name(element) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES
        assert not (element.text or "").strip()
        assert not (element.tail or "").strip()


@each
def test_colours(path):
    allowed = COLOURS | ({LIGHT} if path.stem in DOORS else set())
    for element in read(path).iter():
        for key in ("fill", "stroke"):
            assert element.get(key, "none") in allowed | {"none"}
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", path.read_text(encoding="utf-8"))) <= allowed | {
        e.get("href") for e in read(path).iter(f"{NAMESPACE}use")
    }


@each
def test_references_stay_inside_and_nothing_turns_black(path):
    root = read(path)
    named = [e for e in root.iter() if e.get("id")]
    ids = {e.get("id"): e for e in named}
    assert len(ids) == len(named)
    for element in root.iter(f"{NAMESPACE}use"):
        assert element.get("href", "").startswith("#")
        assert element.get("href")[1:] in ids
    for defs in root.iter(f"{NAMESPACE}defs"):
        for child in defs:
            assert uses(root, child.get("id")), f"{child.get('id')} is never used"
    assert shapes_without_fill(root, ids) == []


@each
def test_brings_its_own_plate(path):
    root = read(path)
    width, height = root.get("width"), root.get("height")
    assert root.get("viewBox") == f"0 0 {width} {height}"
    first = next(child for child in root if name(child) != "defs")
    assert first.get("fill") == "#0e3a33"
    assert first.get("d") == f"M0 0h{width}v{height}H0z"


@each_stop
def test_stop_joins_its_neighbours(path):
    root = read(path)
    assert (root.get("width"), root.get("height")) == ("480", "276")
    children = [(child.get("fill"), child.get("d")) for child in root]
    first = children.index(WALKWAY[0])
    assert children[first + 1] == WALKWAY[1]


@each_stop
def test_an_adult_with_a_child_on_the_walkway(path):
    root = read(path)
    adults = [e for e in uses(root, "a") if e.get("y") == "266"]
    children = [e for e in uses(root, "c") if e.get("y") == "266"]
    if path.stem in DESERTED:
        assert (adults, children) == ([], [])
    else:
        assert adults
        assert children


def test_new_year_adds_lanterns_and_nothing_else():
    plain = (FOLDER / "hero.svg").read_text(encoding="utf-8").splitlines()
    festive = (FOLDER / "hero-new-year.svg").read_text(encoding="utf-8").splitlines()
    added = [line for line in festive if line not in plain]
    assert [line for line in festive if line in plain] == plain
    assert len(added) == 2
    assert "".join(added).count('href="#n"') == 2
