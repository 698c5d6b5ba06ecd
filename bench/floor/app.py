"""The floor: bare Django that answers the same requests with the least SQL. No product: no waitlist, mail, log, limits.

Two middlewares, pages as plain strings of the size of ours, one conditional UPDATE and one INSERT for a sign-up. The
same web server and the same PostgreSQL as the portal's; what it takes is what nobody who uses them can go below.
`/hello/` answers a word.
"""

import os
import uuid
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_protect

from bench.floor.words import SALT

# As much text as the portal's own pages have, so that the wire carries the same.
FILLING = "<p>" + "A walk along the line, from the press to the gate. " * 80 + "</p>"
MOST_BYTES = 4096

if not settings.configured:
    parts = urlsplit(os.environ["FLOOR_DATABASE_URL"])
    settings.configure(
        SECRET_KEY=os.environ["SECRET_KEY"],
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.lstrip("/"),
                "USER": parts.username,
                "HOST": os.environ["FLOOR_DATABASE_HOST"],
                "OPTIONS": {"pool": {"min_size": 2, "max_size": 8, "timeout": 5}},
            }
        },
        LOGGING_CONFIG=None,
    )


def ask(sql: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else [cursor.rowcount]


def page(words: str) -> HttpResponse:
    return HttpResponse(f'<!doctype html><html lang="en"><title>Floor</title>{words}{FILLING[:MOST_BYTES]}</html>')


def home(_request: HttpRequest) -> HttpResponse:
    rows = ask("SELECT id, title, max_places - places FROM tour_session ORDER BY id")
    return page("".join(f'<a href="/en/sessions/{pk}/">{title}: {free} free</a>' for pk, title, free in rows))


def session(_request: HttpRequest, pk: int) -> HttpResponse:
    ((title, free),) = ask("SELECT title, max_places - places FROM tour_session WHERE id = %s", pk)
    return page(f'<h1>{title}: {free} free</h1><a href="/en/sessions/{pk}/sign-up/">Sign up</a>')


@csrf_protect
def sign_up(request: HttpRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        answers = request.POST
        size = int(answers["size"])
        with transaction.atomic():
            (claimed,) = ask(
                "UPDATE tour_session SET places = places + %s, parties = parties + 1"
                " WHERE id = %s AND places + %s <= max_places AND parties < max_parties",
                *(size, pk, size),
            )
            if claimed:
                ask(
                    "INSERT INTO party (key, session_id, size, lead_name, email) VALUES (%s, %s, %s, %s, %s)",
                    *(answers["submission_key"], pk, size, answers["lead_name"], answers["email"]),
                )
        return HttpResponseRedirect(f"/en/sessions/{pk}/asked/")
    return page(
        f'<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}">'
        f'<input type="hidden" name="submission_key" value="{uuid.uuid4()}"><input name="size"><input name="lead_name">'
        '<input name="email"></form>'
    )


def asked(_request: HttpRequest, pk: int) -> HttpResponse:
    return page("<p>Look into your mail.</p>")


def link(_request: HttpRequest, pk: int, token: str) -> HttpResponse:
    if not Signer(salt=SALT).signature(str(pk)) == token:
        raise BadSignature
    response = HttpResponseRedirect(f"/en/visit/{pk}/")
    response.set_signed_cookie(f"visit-{pk}", "1", salt=SALT)
    return response


@csrf_protect
def visit(request: HttpRequest, pk: int) -> HttpResponse:
    request.get_signed_cookie(f"visit-{pk}", salt=SALT)
    ((name, size, proven),) = ask("SELECT lead_name, size, proven FROM party WHERE id = %s", pk)
    button = (
        f'<form method="post" action="/en/visit/{pk}/prove/">'
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}"></form>'
    )
    return page(f"<p>{name}, {size}</p>" + ("" if proven else button))


@csrf_protect
def prove(request: HttpRequest, pk: int) -> HttpResponse:
    request.get_signed_cookie(f"visit-{pk}", salt=SALT)
    ask("UPDATE party SET proven = true WHERE id = %s", pk)
    return HttpResponseRedirect(f"/en/visit/{pk}/")


def hello(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns = [
    path("hello/", hello),
    path("en/", home),
    path("en/sessions/<int:pk>/", session),
    path("en/sessions/<int:pk>/sign-up/", sign_up),
    path("en/sessions/<int:pk>/asked/", asked),
    path("en/visit/<int:pk>/", visit),
    path("en/visit/<int:pk>/prove/", prove),
    path("en/visit/<int:pk>/<str:token>/", link),
]
application = get_wsgi_application()
