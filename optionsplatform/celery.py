"""The Celery application; tasks carry ids, the rows are the queue."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsplatform.settings")
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # bin/check makes them; no start waits for them
app = Celery("optionsplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
