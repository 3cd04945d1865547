"""What brokers list, what became of their files, and the lots an operator has to look at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from market.models import Instrument, LotFlag, MasterImport
from users.admin import ReadOnlyAdmin

SHOWN_BAD_ROWS = 200


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    list_display = (
        "trading_symbol",
        "source",
        "token",
        "contract",
        "lot_size",
        "tick_size",
        "imported_at",
    )
    list_filter = ("source", "contract__underlying", "contract__expiry")
    list_select_related = ("contract",)
    search_fields = ("trading_symbol", "token", "contract__symbol")


@admin.register(MasterImport)
class MasterImportAdmin(ReadOnlyAdmin):
    list_display = ("source", "file_name", "rows", "kept", "bad_count", "at")
    list_filter = ("source",)
    search_fields = ("file_name", "sha256")
    exclude = ("bad_rows",)
    readonly_fields = ("what_was_bad",)

    @admin.display(description="Bad rows")
    def what_was_bad(self, row: MasterImport) -> SafeString | str:
        if not row.bad_rows:
            return "none"
        shown = row.bad_rows[:SHOWN_BAD_ROWS]
        lines = format_html_join("", "<li>line {}: {}</li>", shown)
        return format_html("{} in all, the first {}:<ul>{}</ul>", row.bad_count, len(shown), lines)


@admin.register(LotFlag)
class LotFlagAdmin(ReadOnlyAdmin):
    list_display = (
        "underlying",
        "expiry",
        "source",
        "why",
        "lot",
        "known_lot",
        "rows",
        "example",
        "found_at",
        "closed_at",
    )
    list_filter = (("closed_at", admin.EmptyFieldListFilter), "why", "source", "underlying")
    list_select_related = ("found_in",)
    search_fields = ("underlying", "example")
