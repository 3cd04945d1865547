"""Where the stops and targets of the user's open trades stand."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from execution.api import bodies, examples
from execution.api.runs import COLUMNS, PairFilter, list_of, narrowed, paged, parameters
from execution.selectors import watches_of
from market.api.feeds import timeline_or_problem
from users.api.authentication import caller


class Stops(APIView):
    """The levels that your open trades are left at, as they stand now."""

    @extend_schema(
        summary="Stops, targets and locked profit of open trades", parameters=parameters(PairFilter),
        responses=list_of(bodies.StopBody), examples=[examples.listed("A short call", examples.STOP)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        rows = watches_of(caller(request), timeline_or_problem())
        return paged(narrowed(rows, PairFilter, COLUMNS, request), request, bodies.StopBody)
