"""A finished public page: what is sent again and again, word for word, to everybody who asks."""

import json
from gzip import compress, decompress
from hashlib import blake2b
from typing import NamedTuple, Self

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags

# Below this a page does not get smaller.
WORTH_COMPRESSING = 200
# What is said of the body is made anew with each of its two forms.
OF_THE_BODY = {"content-length", "content-encoding", "etag", "vary"}
# What a browser that has the page already still needs (RFC 9110, 15.4.5).
OF_WHOEVER_HAS_IT = ("Cache-Control", "ETag", "Vary")


class KeptPage(NamedTuple):
    """``made_at`` and ``fresh_until`` are seconds by the clock of the machine, as neighbours on others read it too."""

    status: int
    headers: dict[str, str]
    body: bytes
    gzipped: bytes
    made_at: float
    fresh_until: float

    @classmethod
    def of(cls, response: HttpResponse, *, made_at: float, seconds: float) -> Self:
        headers = {name: value for name, value in response.items() if name.lower() not in OF_THE_BODY}
        return cls._made(response.status_code, headers, response.content, b"", made_at, made_at + seconds)

    @classmethod
    def read(cls, told: bytes) -> Self:
        """What ``told`` wrote."""
        head, _, rest = told.partition(b"\n")
        status, headers, is_compressed, made_at, fresh_until = json.loads(head)
        body, gzipped = (decompress(rest), rest) if is_compressed else (rest, b"")
        return cls._made(status, headers, body, gzipped, made_at, fresh_until)

    @classmethod
    def _made(
        cls, status: int, headers: dict[str, str], body: bytes, gzipped: bytes, made_at: float, fresh_until: float
    ) -> Self:
        # One name for both forms of the body, hence weak.
        headers = {**headers, "ETag": f'W/"{blake2b(body, digest_size=12).hexdigest()}"', "Vary": "Accept-Encoding"}
        if len(body) >= WORTH_COMPRESSING:
            gzipped = gzipped or compress(body, 6, mtime=0)
        return cls(status, headers, body, gzipped, made_at, fresh_until)

    def told(self) -> bytes:
        """For a neighbour: the body once, compressed."""
        head = json.dumps([self.status, self.headers, bool(self.gzipped), self.made_at, self.fresh_until])
        return head.encode() + b"\n" + (self.gzipped or self.body)

    @property
    def size(self) -> int:
        return len(self.body) + len(self.gzipped)

    def answer(self, request: HttpRequest) -> HttpResponse:
        if self.status == 200 and self._is_had(request.META.get("HTTP_IF_NONE_MATCH", "")):
            had = {name: self.headers[name] for name in OF_WHOEVER_HAS_IT if name in self.headers}
            return HttpResponseNotModified(headers=had)
        is_zipped = self.gzipped and "gzip" in request.META.get("HTTP_ACCEPT_ENCODING", "")
        body = self.gzipped if is_zipped else self.body
        response = HttpResponse(body, status=self.status, headers=self.headers)
        response["Content-Length"] = str(len(body))
        if is_zipped:
            response["Content-Encoding"] = "gzip"
        return response

    def _is_had(self, tags: str) -> bool:
        if not tags:
            return False
        had = {tag.removeprefix("W/") for tag in parse_etags(tags)}
        return "*" in had or self.headers["ETag"].removeprefix("W/") in had
