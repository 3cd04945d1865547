"""Another contract for a leg that is held: so many listed strikes away, or in the next expiry."""

from __future__ import annotations

from datetime import date

from market.kernel import contracts
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from strategies.rules.chain import Chain
from strategies.rules.values import Code, Unresolvable


def shifted(contract: Contract, frame: Frame, day: date, *, steps: int, next_expiry: bool) -> Contract:
    """The contract `steps` listed strikes up (below 0 down), in its own or the next listed expiry."""
    expiry = _next(contract, day) if next_expiry else contract.expiry
    chain = Chain.of(frame, contract.underlying, expiry)
    if contract.strike is None:
        return chain.contract(contract.option_type, None)
    if contract.strike not in chain.strikes:
        raise chain.unlisted(f"{contract.strike:f}")
    place = chain.strikes.index(contract.strike) + steps
    if not 0 <= place < len(chain.strikes):
        raise chain.unlisted(f"{abs(steps)} strikes {'above' if steps > 0 else 'below'} {contract.strike:f}")
    return chain.contract(contract.option_type, chain.strikes[place])


def _next(contract: Contract, day: date) -> date:
    later = [
        each.day
        for each in contracts.expiries(contract.underlying, day)
        if each.day > contract.expiry and (contract.is_option or each.kind == "monthly")
    ]
    if not later:
        raise Unresolvable(Code.NO_SUCH_EXPIRY, f"No expiry is listed after {contract.expiry}.")
    return later[0]
