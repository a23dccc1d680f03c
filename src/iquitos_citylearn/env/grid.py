"""The limit of the grid connection: CityLearn 3.0.2's `electrical_service` with one limit of the whole import.

CityLearn looks at what is asked for, before anything is done: load - PV + requests of all chargers, of those without a
car and of those with a full one too, + request of the battery. Beyond the limit it cuts every request to charge by one
factor; a request to discharge makes room, whether or not the battery can follow. Load alone can exceed the limit:
nothing charges then.
"""

from iquitos_citylearn.env.kernels import inner_kernel
from iquitos_citylearn.site.model import FloatArray

NEGLIGIBLE_KW = 1e-9
"""Requests and excesses that CityLearn passes over; also the relative cut that it does."""
MAX_PASSES = 8
"""CityLearn looks again after a cut, this many times at most."""


@inner_kernel
def requested_kw(action: float, rating_kw: float, min_power_kw: float) -> float:
    """Return what an action asks for of a charger, site side; 0 below its minimum power."""
    power = min(max(min(action, 1.0), 0.0) * rating_kw, rating_kw)
    return power if power >= min_power_kw else 0.0


@inner_kernel
def remaining_share(
    limit_kw: float,
    base_kw: float,
    charger_action: FloatArray,
    rating_kw: FloatArray,
    min_power_kw: FloatArray,
    bess_request_kw: float,
) -> float:
    """Return the share that is left of every request to charge.

    Parameters
    ----------
    limit_kw : float
        Limit of the import.
    base_kw : float
        Load minus PV.
    charger_action, rating_kw, min_power_kw : ndarray, shape (n_chargers,)
        Share of each charger's rating that is asked for, rating and minimum power.
    bess_request_kw : float
        Power asked for of the battery, charging positive.
    """
    share = 1.0
    for _ in range(MAX_PASSES):
        total_kw, charging_kw = base_kw, 0.0
        for c in range(charger_action.shape[0]):
            request = requested_kw(charger_action[c], rating_kw[c], min_power_kw[c])
            if request > NEGLIGIBLE_KW:
                total_kw += request * share
                charging_kw += request * share
        if bess_request_kw > NEGLIGIBLE_KW:
            total_kw += bess_request_kw * share
            charging_kw += bess_request_kw * share
        elif bess_request_kw < -NEGLIGIBLE_KW:
            total_kw += bess_request_kw
        if total_kw <= limit_kw + NEGLIGIBLE_KW or charging_kw <= NEGLIGIBLE_KW:
            break
        allowed_kw = limit_kw - (total_kw - charging_kw)
        factor = 0.0 if allowed_kw <= 0.0 else min(1.0, allowed_kw / charging_kw)
        if factor >= 1.0 - NEGLIGIBLE_KW:
            break
        share *= factor
    return share


@inner_kernel
def cut_action(action: float, share: float, rating_kw: float, min_power_kw: float) -> float:
    """Return the action of a charger after the cut; CityLearn goes by way of the power, cut or not."""
    request = requested_kw(action, rating_kw, min_power_kw)
    power = request * share
    if request <= NEGLIGIBLE_KW or power < min_power_kw:
        return 0.0
    return min(power / rating_kw, 1.0)


@inner_kernel
def cut_bess_action(action: float, share: float, power_kw: float) -> float:
    """Return the action of the battery after the cut, which spares discharging."""
    request = min(max(action, -1.0), 1.0) * power_kw
    if abs(request) <= NEGLIGIBLE_KW:
        return 0.0
    power = request * share if request > 0.0 else request
    return min(max(power / power_kw, -1.0), 1.0)
