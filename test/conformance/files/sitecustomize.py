"""Spares tempest the fixed ten seconds that it waits before each deletion of a
subnet, lest ports on it are still being removed. Python imports this module
at its start when it is found on PYTHONPATH."""

import sys
import time

WAITER = "tempest.lib.services.network.subnets_client"

_sleep = time.sleep


def sleep(seconds):
    if sys._getframe(1).f_globals.get("__name__") != WAITER:
        _sleep(seconds)


time.sleep = sleep
