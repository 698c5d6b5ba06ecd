from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

# Tasks declared with `shared_task` belong to this app as soon as Django is up. It cannot stand in `portal/__init__.py`:
# `manage.py` imports the package before anything is installed.
from portal import checks
from portal.celery import app as celery_app

__all__ = ["PortalConfig", "celery_app", "checks"]


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = _("Visitor portal")
