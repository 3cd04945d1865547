#!/usr/bin/env python
"""Django's command line; `trade_day` brings its own PostgreSQL where there is none."""

import os
import sys

from django.core.management import execute_from_command_line

from optionsplatform import throwaway

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsplatform.settings")
    if sys.argv[1:2] == ["trade_day"] and not throwaway.has_database(os.environ):
        sys.exit(throwaway.main([sys.executable, *sys.argv], valkey=False))
    execute_from_command_line(sys.argv)
