from django.apps import AppConfig


class MarketConfig(AppConfig):
    name = "market"

    def ready(self) -> None:
        """An environment's stated index table or session times answer instead of the dated facts."""
        from django.conf import settings

        from market.facts import tables
        from market.kernel.contracts import facts_from_config

        tables.install(facts_from_config(settings.PLATFORM.indian_market_config))
