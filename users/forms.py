"""Forms of the pages: what every form shares, and the form of an API key."""

from __future__ import annotations

from typing import Any

from django import forms

from users.alarms import TOPICS
from users.errors import Refused
from users.models import AlarmChannel, ApiKey


class DeskForm(forms.Form):
    """A form whose service may refuse: the refusal is shown at its field with its fix."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def refuse(self, error: Refused) -> None:
        """Show the refusal at the field it names, or above the form."""
        named = error.field.rsplit("/", 1)[-1]
        field = named if named in self.fields else None
        self.add_error(field, f"{error.message} {error.fix}".strip())


class ChannelForm(DeskForm):
    """A new alarm channel."""

    kind = forms.ChoiceField(choices=AlarmChannel.Kind.choices, label="Through")
    name = forms.CharField(max_length=80, label="Name", help_text="Where it leads, for you")
    address = forms.CharField(
        max_length=400, label="Address", help_text="The webhook's https address, or the number of the Telegram chat"
    )
    token = forms.CharField(
        max_length=200, required=False, label="Bot token", help_text="Telegram only; kept sealed, not shown again",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    lowest = forms.ChoiceField(choices=AlarmChannel.Lowest.choices, label="How bad")
    topics = forms.MultipleChoiceField(
        choices=[(topic, words) for topic, (words, _) in TOPICS.items()], required=False,
        label="About (none chosen: all)", widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Its ids are its own: the form of an API key is on the same page."""
        super().__init__(*args, **{"auto_id": "alarm_%s", **kwargs})


class ApiKeyForm(DeskForm):
    name = forms.CharField(max_length=80, label="Name", help_text="The program that will use it")
    scope = forms.ChoiceField(choices=ApiKey.Scope.choices, label="May")
    days = forms.IntegerField(min_value=1, max_value=366, initial=90, label="Valid for (days)")
