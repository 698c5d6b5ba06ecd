"""A browser's half of HTTP/1.1 in as little work as it takes: one kept connection, own cookies, redirects followed.

Made to be cheap: whoever measures on the same cores must not be what is measured.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str
    path: str


class Client:
    """``address`` is where the visitor comes from; ``requests`` counts all that were answered, redirects too."""

    def __init__(self, host: str, port: int, *, address: str = "", language: str = "en") -> None:
        self.host, self.port = host, port
        self.cookies: dict[str, str] = {}
        self.requests = 0
        self.reconnects = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        came = f"X-Forwarded-For: {address}\r\nX-Forwarded-Proto: http\r\n" if address else ""
        self._usual = (
            f"Host: {host}:{port}\r\nAccept: text/html\r\nAccept-Language: {language}\r\nUser-Agent: Visitor\r\n{came}"
        )

    async def get(self, path: str) -> Answer:
        return await self._follow(await self._send("GET", path, ""))

    async def post(self, path: str, fields: Mapping[str, str], *, page: str) -> Answer:
        """``page`` is where the form stood, as browsers tell it."""
        return await self._follow(await self._send("POST", path, urlencode(fields), page=page))

    async def _follow(self, answer: Answer) -> Answer:
        for _redirect in range(MOST_REDIRECTS):
            if answer.status not in REDIRECTS:
                break
            target = urlsplit(urljoin(answer.path, answer.headers["location"]))
            answer = await self._send("GET", target.path + (f"?{target.query}" if target.query else ""), "")
        return answer

    async def _send(self, method: str, path: str, body: str, *, page: str = "") -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        lines = f"{method} {path} HTTP/1.1\r\n{self._usual}" + (f"Cookie: {cookies}\r\n" if cookies else "")
        if method == "POST":
            origin = f"http://{self.host}:{self.port}"
            lines += (
                f"Origin: {origin}\r\nReferer: {origin}{page}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
            )
        request = f"{lines}\r\n{body}".encode()
        was_kept = self._streams is not None
        try:
            answer = await self._exchange(request, path)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            if not was_kept:
                raise
            # A server closes what is idle; a browser asks again on a new connection.
            self.reconnects += 1
            answer = await self._exchange(request, path)
        self.requests += 1
        return answer

    async def _exchange(self, request: bytes, path: str) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._streams
        writer.write(request)
        head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if name == "set-cookie":
                self._keep_cookie(value)
            elif name:
                headers[name] = value
        body = await self._body(reader, headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(int(head.split(" ", 2)[1]), headers, body.decode(), path)

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding", "") != "chunked":
            return b"" if headers.get("connection", "") != "close" else await reader.read()
        parts = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return b"".join(parts)

    def _keep_cookie(self, told: str) -> None:
        pair, *marks = told.split(";")
        name, _, value = pair.partition("=")
        if any(mark.strip().lower() == "max-age=0" for mark in marks):
            self.cookies.pop(name.strip(), None)
        else:
            self.cookies[name.strip()] = value.strip()

    async def leave(self) -> None:
        """Close, and wait until the socket is: nothing is left for the collector to complain of."""
        streams, self._streams = self._streams, None
        if streams:
            streams[1].close()
            with suppress(ConnectionError):
                await streams[1].wait_closed()

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None
