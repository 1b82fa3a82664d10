"""Horizon for one run: Debian's code, with Keystone and Lepton as its services."""

import os

from openstack_dashboard.settings import *  # noqa: F401,F403
from openstack_dashboard.settings import TEMPLATES

DEBUG = False
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "{{.Password}}"
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
TIME_ZONE = "UTC"

# What docs/openstack.md says.
{{.HorizonSettings}}

# Neutron's own rules, and none of one's own.
POLICY_FILES_PATH = os.path.join("{{.Dir}}", "policy")
POLICY_DIRS = {}

# Pages are read by a program: without style sheets, which take long to make.
COMPRESS_ENABLED = False
COMPRESS_PRECOMPILERS = ()
TEMPLATES[0]["DIRS"] = [os.path.join("{{.Dir}}", "templates")] + list(TEMPLATES[0]["DIRS"])

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler", "level": "INFO"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
