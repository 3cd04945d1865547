from __future__ import annotations

from django import forms

from brokers.models import BrokerAccount
from users.forms import DeskForm


class PaperAccountForm(DeskForm):
    broker = forms.ChoiceField(label="Broker", choices=BrokerAccount.Broker.choices)
    client_id = forms.CharField(label="Login", max_length=40, help_text="Letters and digits")
    label = forms.CharField(label="Name on the desk", max_length=80, required=False)
    capital = forms.DecimalField(
        label="Capital",
        max_digits=16,
        decimal_places=2,
        min_value=0,
        initial=2500000,
        help_text="Rupees",
    )
