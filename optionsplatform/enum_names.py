"""Names of choices in the API's document, where two fields would give one set of choices two names."""

from typing import Any

ENUM_NAMES: dict[str, Any] = {
    "BasketStatus": "baskets.models.Basket.Status",
    "RunStatus": "execution.models.StrategyExecution.Status",
    "OrderStatus": "execution.states.OrderState",
    "SubscriptionStatus": "marketplace.models.Subscription.Status",
    "ListingStatus": "marketplace.models.Listing.Status",
    "InvoiceStatus": "marketplace.models.Invoice.Status",
    "KeyScope": "users.models.ApiKey.Scope",
    "BasketKind": "baskets.models.Basket.Kind",
    "AlarmKind": "users.models.AlarmChannel.Kind",
    "LimitScope": "allocations.models.ScopeLimit.Scope",
    "LegSide": "strategies.models.Leg.Side",
    "Side": ["BUY", "SELL"],
    "LegOptionType": "strategies.models.Leg.OptionType",
    "OptionType": ["CE", "PE", "FUT"],
    "LegUnit": "strategies.models.Leg.Unit",
    "LevelOf": "execution.models.watches.Of",
}
