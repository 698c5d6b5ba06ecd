"""A visitor without a browser: own cookies, reads forms as they stand on the page, fills them in, sends them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from itertools import count
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener

from tests.stamps import older

_numbers = count(1)


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self.found.append(Form(given.get("action", "")))
        elif not self.found:
            return
        elif tag == "input" and "name" in given:
            if given.get("type") in {"radio", "checkbox"} and not any(name == "checked" for name, _ in attrs):
                return
            self.found[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "select":
            self._select = given.get("name", "")
            self.found[-1].fields[self._select] = ""
        elif tag == "option" and self._select and any(name == "selected" for name, _ in attrs):
            self.found[-1].fields[self._select] = given.get("value", "")


class Visitor:
    """``status``, ``url`` and ``page`` are those of the last answer, redirects followed.

    Each comes from a network of its own, through the test, whom ``tests.processes`` names as a proxy.
    """

    def __init__(self, address: str) -> None:
        self.url = address
        self.page = ""
        self.status = 0
        number = next(_numbers)
        self.comes_from = f"198.{18 + number // 256}.{number % 256}.7"
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def open(self, address: str) -> None:
        self._send(Request(urljoin(self.url, address)))

    def submit(self, *, action: str = "", **answers: str) -> None:
        """Send the first form whose address ends with ``action``."""
        form = next(form for form in _Forms(self.page).found if form.action.endswith(action))
        filled = form.fields | answers
        if "submission_key" in filled:
            filled["submission_key"] = older(filled["submission_key"])  # Nobody fills it in as fast as a test.
        target = urljoin(self.url, form.action)
        self._send(Request(target, urlencode(filled).encode(), headers={"Referer": self.url}))

    def _send(self, request: Request) -> None:
        request.add_header("X-Forwarded-For", self.comes_from)
        try:
            answer = self._opener.open(request, timeout=120)
        except HTTPError as error:
            answer = error
        with answer:
            self.status, self.url, self.page = answer.status, answer.url, answer.read().decode()
