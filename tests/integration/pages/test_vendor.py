"""Vendored files are the published ones, with their licence."""

from __future__ import annotations

import json
from hashlib import sha256

from django.conf import settings

VENDOR = settings.BASE_DIR / "static" / "vendor"


def test_every_vendored_file_has_the_hash_of_the_lock_file_and_a_licence():
    for package in json.loads((VENDOR / "VENDOR.json").read_text()).values():
        for name, entry in package["files"].items():
            assert sha256((VENDOR / name).read_bytes()).hexdigest() == entry["sha256"]
            assert (VENDOR / name).with_name("LICENSE").exists()
