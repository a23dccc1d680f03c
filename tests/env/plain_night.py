"""What lies ahead of a battery, in plain loops: the compiled functions of `env/night.py` are held to them."""

import math

from iquitos_citylearn.env.night import BEST_RATIO, TELLING_SHARE


def hours_left(expected, hour):
    """Count the hours until the one that ends at the refill is over."""
    hours = 1
    while (hour + hours) % 24 != expected.refill_hour % 24:
        hours += 1
    return hours


def path_of(expected, caution, hour, z, forecast_kw, error_std):
    """Return what each hour until the refill may lack, the first without cars."""
    over_forecast = [(hour + k) % 24 for k in range(len(forecast_kw))]
    mean = sum(expected.pv_mean_kw[h] for h in over_forecast)
    tells = mean > TELLING_SHARE * sum(expected.pv_mean_kw)
    ratio = min(BEST_RATIO, sum(forecast_kw) / mean) if tells else 1.0
    path = []
    for k in range(hours_left(expected, hour)):
        h, memory = (hour + k) % 24, expected.load_lag1 ** (k + 1)
        residual = z * memory + caution.load_std * math.sqrt(1.0 - memory**2)
        load = expected.load_mean_kw[h] + expected.load_std_kw[h] * residual
        cars = expected.cars_mean_kw[h] if k > 0 else 0.0
        if k < len(forecast_kw):
            pv = forecast_kw[k] * max(0.0, 1.0 - caution.pv_error * error_std * math.sqrt(k + 1))
        else:
            pv = expected.pv_mean_kw[h] * (ratio if hour + k < 24 else 1.0) * caution.pv_beyond
        path.append(load + cars - pv)
    return path


def short_of(store, stored_kwh, path, cars_kw, import_kw, later_kw):
    """Return what the battery can't give when it covers what the hours lack above an import."""
    short = 0.0
    for k, lacking in enumerate(path):
        request = later_kw - lacking if k else import_kw - cars_kw - lacking
        if request >= 0.0:
            stored_kwh = min(store.capacity_kwh, stored_kwh + store.root * min(request, store.power_kw))
        else:
            given = min(-request, store.power_kw, store.root * max(0.0, stored_kwh - store.min_kwh))
            stored_kwh -= given / store.root
            short += -request - given
    return short


def level_of(store, stored_kwh, path, cars_kw):
    """Return the least constant import with which nothing is short, by a hundred halvings."""
    low, high = 0.0, max(0.0, path[0] + cars_kw, *path[1:])
    if short_of(store, stored_kwh, path, cars_kw, 0.0, 0.0) <= 0.0:
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        if short_of(store, stored_kwh, path, cars_kw, middle, middle) > 1e-9:
            low = middle
        else:
            high = middle
    return high


def target_of(rule, store, stored_kwh, peak_kw, paths, cars_kw):
    """Return the import target of the rule `level`; `paths` are its mild and its cautious one."""
    mild, cautious = paths
    cap = max(rule.floor_kw, rule.peak_share * peak_kw)
    if short_of(store, stored_kwh, mild, cars_kw, cap, cap) > 1e-6:
        return max(cap, level_of(store, stored_kwh, cautious, cars_kw))
    low, high = 0.0, cap
    if short_of(store, stored_kwh, mild, cars_kw, 0.0, cap) <= 1e-6:
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        if short_of(store, stored_kwh, mild, cars_kw, middle, cap) > 1e-9:
            low = middle
        else:
            high = middle
    return high
