from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import path

from portal.views.health import health
from portal.views.language import to_own_language

urlpatterns = [
    path("", to_own_language, name="root"),
    path("healthz", health, name="health"),
    *i18n_patterns(
        path("admin/", admin.site.urls),
    ),
]
