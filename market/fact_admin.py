"""The operator's pages of the dated facts: each table, a CSV import, and the revision they are at."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from market import fact_services as services
from market.facts import schema
from market.models import FACT_MODELS, Fact, FactsRevision
from users.admin import ReadOnlyAdmin
from users.errors import Refused
from users.requests import signed_in

LARGEST_FILE = 1_000_000


def by(request: HttpRequest) -> services.By:
    return services.By(actor=signed_in(request), source="admin", now=timezone.now())


class FactForm(forms.ModelForm):
    """One row; a wrong one is refused at its field, by the rules of the tables."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        table = self.instance.table
        try:
            services.check_fact(
                table=table.name, values=schema.as_text(table, cleaned), pk=self.instance.pk
            )
        except Refused as refusal:
            field = refusal.field if refusal.field in self.fields else None
            self.add_error(field, f"{refusal.message} {refusal.fix}")
        return cleaned


class FactAdmin(ModelAdmin):
    """Rows of one table; every change goes through the service, which audits and counts it."""

    form = FactForm

    def __init__(self, model: type[Fact], site: admin.AdminSite) -> None:
        names = model.table.header
        self.list_display = names
        self.list_filter = [n for n in (*model.table.key, "confidence") if n not in DATES]
        self.search_fields = ("source",)
        self.fields = names
        super().__init__(model, site)

    def save_model(self, request: HttpRequest, obj: Fact, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        values = schema.as_text(obj.table, vars(obj))
        pk = obj.pk if change else None
        row = services.save_fact(table=obj.table.name, values=values, pk=pk, by=by(request))
        obj.pk, obj._state.adding = row.pk, False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Rows go one by one: each is judged and audited."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_model(self, request: HttpRequest, obj: Fact) -> None:
        services.remove_fact(table=obj.table.name, pk=obj.pk, by=by(request))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as refusal:
            messages.error(request, f"{refusal.message} {refusal.fix}")
            return HttpResponseRedirect(request.path.replace("/delete/", "/change/"))


DATES = {"first", "last", "day", "first_expiry", "last_expiry"}
for each in FACT_MODELS.values():
    admin.site.register(each, FactAdmin)


class ImportForm(forms.Form):
    """A CSV file; its header says which table it is for."""

    file = forms.FileField(label="CSV file", help_text="its header is that of one of the tables")

    def clean_file(self) -> tuple[str, str]:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            raise forms.ValidationError("Give a file of at most 1 MB.")
        try:
            return file.name, file.read().decode()
        except UnicodeDecodeError as error:
            raise forms.ValidationError(
                "The file is not UTF-8 text. Save it as CSV UTF-8."
            ) from error


@admin.register(FactsRevision)
class FactsRevisionAdmin(ReadOnlyAdmin):
    """How often the facts have changed; the import of a file is here."""

    list_display = ("number", "changed_at")
    change_list_template = "admin/market/factsrevision.html"

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.import_file)
        return [path("import/", page, name="market_facts_import"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FactsRevision]:
        return super().get_queryset(request).order_by("pk")

    def import_file(self, request: HttpRequest) -> HttpResponse:
        if not all(
            request.user.has_perm(f"market.{act}_{model._meta.model_name}")
            for model in FACT_MODELS.values()
            for act in ("add", "change")
        ):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid() and self._imported(request, form):
            return HttpResponseRedirect(reverse("admin:market_factsrevision_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Import facts",
            "form": form,
            "tables": [(table.name, ",".join(table.header)) for table in schema.TABLES.values()],
        }
        return TemplateResponse(request, "admin/market/import_facts.html", context)

    def _imported(self, request: HttpRequest, form: ImportForm) -> bool:
        try:
            (done,) = services.import_facts(files=[form.cleaned_data["file"]], by=by(request))
        except Refused as refusal:
            form.add_error("file", f"{refusal.message} {refusal.fix}")
            return False
        messages.success(
            request,
            f"{done.table}: {done.added} added, {done.changed} changed, {done.same} as they were.",
        )
        return True
