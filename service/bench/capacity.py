"""The largest load that a service bears, by bisection."""

from collections.abc import Callable


def largest_load(
    p99_at: Callable[[float], float],
    *,
    bound: float,
    start: float,
    lowest: float,
    highest: float = 1e6,
    tolerance: float = 0.05,
) -> float:
    """Return the largest load whose p99 was measured to stay within the bound; 0 when that of ``lowest`` does not.

    From ``start`` the load is doubled while it is borne, or halved until it is. Then the interval between a load that
    is borne and one that is not is halved, by ratio, until they differ by less than ``tolerance``. Measurements are
    noisy: what is returned was always borne when it was tried, and no load is tried twice.
    """
    borne = refused = start
    if p99_at(start) <= bound:
        while borne == refused:
            if borne >= highest:
                return borne
            refused = min(2 * borne, highest)
            if p99_at(refused) <= bound:
                borne = refused
    else:
        while borne == refused:
            if refused <= lowest:
                return 0.0
            borne = max(refused / 2, lowest)
            if p99_at(borne) > bound:
                refused = borne
    while refused > (1 + tolerance) * borne:
        load = (borne * refused) ** 0.5
        if p99_at(load) <= bound:
            borne = load
        else:
            refused = load
    return borne
