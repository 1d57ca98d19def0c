"""The parts of a date, computed from milliseconds by operations that Keras, TensorFlow and ONNX share."""

from __future__ import annotations

from typing import Any

import numpy as np

from studies.datasets.layout import DatePart

_DAY, _HOUR = 86_400_000.0, 3_600_000.0  # milliseconds
_MISSING = -(2.0**62)  # less is no date, but the smallest whole number, which NaT is


def to_milliseconds(dates: Any) -> Any:
    """Take dates, which are milliseconds since 1970 in UTC, int64, as float64; NaN where missing, as NumPy's NaT is."""
    from keras import ops

    milliseconds = ops.cast(dates, "float64")
    return ops.where(milliseconds < _MISSING, np.nan, milliseconds)


def extract_parts(milliseconds: Any, parts: tuple[DatePart, ...]) -> list[Any]:
    """Compute parts of dates as `layout` does; each part is float32."""
    from keras import ops

    day = _divide(milliseconds, _DAY)
    found: dict[DatePart, Any] = {"days": milliseconds / _DAY, "hour": (milliseconds - day * _DAY) / _HOUR}
    found["weekday"] = day + 3.0 - 7.0 * _divide(day + 3.0, 7.0)  # Monday is 0
    found["month"], found["day"] = _month_and_day(day)
    return [ops.cast(found[part], "float32") for part in parts]


def _month_and_day(day: Any) -> tuple[Any, Any]:
    """Month and day of days since 1970, by http://howardhinnant.github.io/date_algorithms.html#civil_from_days."""
    shifted = day + 719_468.0  # since 0000-03-01, so that a leap day ends its year
    era = _divide(shifted, 146_097.0)
    of_era = shifted - era * 146_097.0
    leap_days = _divide(of_era, 1_460.0) - _divide(of_era, 36_524.0) + _divide(of_era, 146_096.0)
    year = _divide(of_era - leap_days, 365.0)
    of_year = of_era - (365.0 * year + _divide(year, 4.0) - _divide(year, 100.0))
    month = _divide(5.0 * of_year + 2.0, 153.0)  # March is 0
    return month + 3.0 - 12.0 * _divide(month, 10.0), of_year - _divide(153.0 * month + 2.0, 5.0) + 1.0


def _divide(whole: Any, divisor: float) -> Any:
    """Divide whole numbers and round down.

    TensorFlow may multiply by 1 / divisor instead, which can fall short of a whole quotient; half of 1 more cannot.
    """
    from keras import ops

    return ops.floor((whole + 0.5) / divisor)
