"""Serves Horizon's pages."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "horizon_settings"

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
