"""What a process loads before its own work: every one of them, and every command, waits for it."""

from __future__ import annotations

import os
import subprocess
import sys

from django.contrib import admin
from django.core.management import load_command_class
from django.urls import get_resolver

SLOW = ("numpy", "scipy", "unfold.admin", "rest_framework.views", "drf_spectacular.views")
LOADED = f"""
import sys, django
django.setup()
print(*(name for name in {SLOW} if name in sys.modules))
"""
STARTED = ["run_live", "run_streams", "run_market", "use_timeline", "trade_day"]


def test_setting_django_up_loads_no_pages_and_no_arithmetic():
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "optionsplatform.settings"}
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, env=environment, check=True
    )

    assert done.stdout.split() == []


def test_the_pages_of_the_admin_are_there_with_the_urls_and_pass_its_checks():
    assert get_resolver().url_patterns
    assert len(admin.site._registry) > 20
    assert admin.site.check(None) == []


def test_no_process_of_the_desk_waits_for_the_checks_that_bin_check_makes():
    apps = {"run_live": "execution", "run_streams": "execution", "trade_day": "execution"}
    for name in STARTED:
        command = load_command_class(apps.get(name, "market"), name)
        assert command.requires_system_checks == (), name
    assert os.environ["CELERY_SKIP_CHECKS"] == "1"
