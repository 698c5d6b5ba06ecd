"""Read by the process of which those of a test are forks."""

import django

django.setup()
