"""The Celery application; tasks carry ids, the rows are the queue."""

import os
from typing import Any

from celery import Celery, Task
from django.db import close_old_connections

from optionsplatform.pulse import Pulse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsplatform.settings")
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # bin/check makes them; no start waits for them


class Reusing(Task):
    """A task on its thread's database connection of before, unless that is broken or has grown old."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        if not self.request.is_eager:  # then the caller's transaction is on it
            close_old_connections()


app = Celery("optionsplatform", task_cls=Reusing)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(Pulse)
