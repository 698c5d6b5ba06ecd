"""What a visitor reads of a page: its forms with every field as it stands, its links, how long it asks to wait."""

import re
from dataclasses import dataclass, field
from html import unescape

TAG = re.compile(r"<(/?(?:form|input|select|option|textarea|button))\b([^>]*)>")
ATTRIBUTE = re.compile(r"""([a-z-]+)(?:=(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
REFRESH = re.compile(r"""<meta http-equiv=["']?refresh["']? content=["']?(\d+)""", re.IGNORECASE)
TICKED = frozenset({"radio", "checkbox"})
PRESSED = frozenset({"submit", "button", "image", "reset", "file"})


@dataclass
class Form:
    """``fields`` as a browser would send them untouched; ``required`` boxes stand unticked."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    required: dict[str, str] = field(default_factory=dict)


def forms(page: str) -> list[Form]:
    """All that are sent by POST."""
    found: list[Form] = []
    is_inside, select = False, ""
    for name, told in TAG.findall(page):
        given = attributes(told)
        if name == "form":
            is_inside = given.get("method", "").lower() == "post"
            if is_inside:
                found.append(Form(given.get("action", "")))
        elif name == "/form":
            is_inside = False
        elif not is_inside:
            continue
        elif name == "input" and given.get("name"):
            read_input(found[-1], given)
        elif name == "textarea":
            found[-1].fields[given.get("name", "")] = ""
        elif name == "select":
            select = given.get("name", "")
        elif name == "option" and ("selected" in given or select not in found[-1].fields):
            found[-1].fields[select] = given.get("value", "")
    return found


def read_input(form: Form, given: dict[str, str]) -> None:
    kind, name, value = given.get("type", "text"), given["name"], given.get("value", "")
    if kind in PRESSED:
        return
    if kind not in TICKED or "checked" in given:
        form.fields[name] = value
    elif kind == "checkbox" and "required" in given:
        form.required[name] = value or "on"


def attributes(told: str) -> dict[str, str]:
    return {name: unescape(one or two or three) for name, one, two, three in ATTRIBUTE.findall(told)}


def form_for(page: str, action: str) -> Form:
    """The one whose address ends so. Raises LookupError."""
    for form in forms(page):
        if form.action.endswith(action):
            return form
    raise LookupError(f"no form for {action}")


def links(page: str, shape: str) -> list[str]:
    """The addresses of this shape (a regular expression), each once, in the order of the page."""
    return list(dict.fromkeys(re.findall(f'href="({shape})"', page)))


def asked_to_wait(page: str, header: str = "") -> float | None:
    """Seconds, of a page that renews itself: by its ``Refresh`` header, as the waiting room's, or by its text."""
    found = re.match(r"\s*(\d+)", header) or REFRESH.search(page)
    return float(found[1]) if found else None
