"""No page takes a large body, and none is read to find that out."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from bookings.domain.reports import LONGEST_REPORT

# A report returns the mail that did not arrive.
LARGER = {"/mail/reports": LONGEST_REPORT}


class BodyLimit:
    """Django measures plain forms but spools the files of a multipart body; here no form takes a file."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        most = LARGER.get(request.path_info, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if length.isdecimal() and int(length) > most:
            raise RequestDataTooBig
        return self.get_response(request)
