from __future__ import annotations

from django import forms

from users.forms import DeskForm


class BasketForm(DeskForm):
    name = forms.CharField(max_length=120, label="Name")
    description = forms.CharField(
        label="What it is for", required=False, max_length=2000, widget=forms.Textarea({"rows": 3})
    )
