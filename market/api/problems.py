"""DRF's EXCEPTION_HANDLER: a question that the dated facts do not answer is a 422 that says what is missing."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from market.kernel.calendar import OutsideCoverage
from users.api import problems

FIX = "Ask for what the facts cover, or have an operator import the missing facts."


def handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Every exception as users.api.problems has it, OutsideCoverage too."""
    if isinstance(exc, OutsideCoverage):
        exc = problems.Problem(
            422, "outside_coverage", "Outside the facts", detail=str(exc), fix=FIX
        )
    return problems.handler(exc, context)
