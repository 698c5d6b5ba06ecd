"""The bench's visitors do as a browser and a patient person would: else what is measured is something else."""

import asyncio

import pytest

from bench.arrivals import arrivals
from bench.client import Answer
from bench.plots import nice_ticks
from bench.reading import Form, forms
from bench.visitors import Crowd, Visitor, filled_in, seconds_to_wait
from tests.rush import loop

pytestmark = pytest.mark.any_database

PAGE = """
<form method="get"><input name="q"></form>
<form  method="post" novalidate>
<input type="hidden" name="token" value="a&amp;b">
<input type="radio" name="size" value="1"><input type="radio" name="size" value="2" checked>
<select name="age"><option value="0-5">Under 6</option><option value="18-" selected>18 or older</option></select>
<select name="other"><option value="">None</option><option value="7">Seven</option></select>
<textarea name="needs" rows="3"></textarea>
<input type="checkbox" name="news"><input type="checkbox" name="rules" required>
<button name="press" value="1">Ask</button>
</form>
<form method="post" action="/en/prove/"><input type="hidden" name="token" value="c"></form>
"""


def test_a_form_is_read_with_every_field_as_a_browser_would_send_it():
    untouched = {"token": "a&b", "size": "2", "age": "18-", "other": "", "needs": ""}

    assert forms(PAGE) == [Form("", untouched, {"rules": "on"}), Form("/en/prove/", {"token": "c"})]


def test_a_party_fills_in_its_names_ticks_what_must_be_and_leaves_the_rest():
    filled = filled_in(Form("", {"size": "2", "needs": "", "leave_empty": ""}, {"rules": "on"}), Visitor(5, 3))

    assert filled == {
        "size": "3",
        "needs": "",
        "leave_empty": "",
        "rules": "on",
        "lead_name": "Lin 5",
        "email": "visitor5@visitors.example",
        **{"name_2": "Wei 5-2", "age_2": "18-", "name_3": "Wei 5-3", "age_3": "18-"},
    }


def answer(status: int = 200, body: str = "", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, "/en/")


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        (answer(), None),
        (answer(404), None),
        (answer(503), None),
        (answer(503, retry_after="4"), 4.0),
        (answer(429, retry_after="30"), 30.0),
        (answer(body='<meta http-equiv="refresh" content="12">'), 12.0),
        (answer(body='<meta http-equiv="refresh" content="5; url=/en/waiting/">'), 5.0),
        (answer(refresh="7; url=/en/sessions/1/sign-up/"), 7.0),
        (answer(503, refresh="6; url=/en/", retry_after="6"), 6.0),
    ],
    ids=["page", "unknown", "broken", "overload", "limit", "page asks", "page asks elsewhere", "room", "not let in"],
)
def test_a_visitor_waits_as_long_as_it_is_asked_to(told: Answer, wait: float | None):
    assert seconds_to_wait(told) == wait


def test_a_visitor_who_waits_asks_again_until_its_turn():
    """The waiting room lets in at the third look; a server speaks, so that sockets and headers are real."""
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            while await reader.readline() != b"\r\n":
                pass
            seen.append(line.split()[1].decode())
            is_waiting = len(seen) < 3
            page = '<meta http-equiv="refresh" content="0">' if is_waiting else '<a href="/en/sessions/7/">Seven</a>'
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\n\r\n{page}".encode())
        writer.close()

    async def visit() -> Visitor:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await Crowd("127.0.0.1", server.sockets[0].getsockname()[1]).visit(Visitor(1, 2))

    visitor = loop.run(visit())

    assert seen == ["/en/", "/en/", "/en/", "/en/sessions/7/"]
    assert (visitor.waits, visitor.outcome) == (2, "closed")


def test_arrivals_are_the_same_at_every_run_and_keep_their_shape():
    for shape, ends in (("second", 1.0), ("minute", 60.0), ("tail", 120.0)):
        moments = arrivals(shape, 2000)
        assert moments == sorted(arrivals(shape, 2000))
        assert (len(moments), moments[0] >= 0, moments[-1] <= ends) == (2000, True, True)
    assert arrivals("tail", 2000)[1000] == pytest.approx(3.0, abs=0.3)


@pytest.mark.parametrize(("most", "last"), [(0.7, 0.8), (1, 1), (12, 15), (960, 1000), (2000, 2000)])
def test_an_axis_ends_at_a_round_number_above_all(most: float, last: float):
    ticks = nice_ticks(most)

    assert (ticks[0], ticks[-1], 3 <= len(ticks) <= 6) == (0, last, True)
