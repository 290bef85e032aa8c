"""Rates: how long to wait so that no more than so much is used in a minute."""

from __future__ import annotations


class Pace:
    """A bucket that fills steadily, and may be overdrawn by one who then waits.

    Args:
        per_minute: What flows in.
        burst: What may be taken at once after a rest; in any minute at most `per_minute + burst` is used.

    >>> pace = Pace(per_minute=60, burst=1)
    >>> pace.reserve(1, now_s=0), pace.reserve(1, now_s=0), pace.reserve(1, now_s=10)
    (0.0, 1.0, 0.0)
    """

    def __init__(self, per_minute: float, burst: float) -> None:
        self._per_s = per_minute / 60
        self._burst = burst
        self._level = burst
        self._seen_s: float | None = None

    def reserve(self, amount: float, now_s: float) -> float:
        """Take an amount and return the seconds to wait before using it; `now_s` is of a clock that never goes back."""
        if self._seen_s is not None:
            self._level = min(self._burst, self._level + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        self._level -= amount
        return max(0.0, -self._level / self._per_s)

    def settle(self, difference: float) -> None:
        """Correct an estimate: positive if more was used than had been reserved."""
        self._level = min(self._burst, self._level - difference)
