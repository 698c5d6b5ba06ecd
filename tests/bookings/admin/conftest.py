import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_house


@pytest.fixture
def host(client: Client, db: None) -> Client:
    """The browser of somebody who may do everything."""
    client.force_login(User.objects.create_superuser("lin", password="x"))
    make_house()
    return client
