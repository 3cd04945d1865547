"""`python -m optionsplatform.engine_bench`, on the database and Valkey of the environment."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsplatform.settings")
django.setup()

from optionsplatform.engine_bench.run import main  # noqa: E402 - Django must be set up first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
