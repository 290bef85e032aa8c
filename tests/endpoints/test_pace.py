from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from geoseek.endpoints.pace import Pace


@given(
    st.floats(1, 10_000),
    st.floats(0.5, 100),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 50)), min_size=1, max_size=40),
)
def test_no_minute_sees_more_than_its_share(
    per_minute: float, burst: float, arrivals: list[tuple[float, float]]
) -> None:
    pace = Pace(per_minute, burst)
    now_s = 0.0
    used: list[tuple[float, float]] = []
    for gap_s, amount in arrivals:
        now_s += gap_s
        used.append((now_s + pace.reserve(amount, now_s), amount))
    for start_s, _ in used:
        within = [amount for moment_s, amount in used if start_s <= moment_s < start_s + 60]
        # What is overdrawn at a moment was waited for before it: only the first amount of a minute may reach back.
        assert sum(within[1:]) <= per_minute + burst + 1e-6 * per_minute


def test_an_estimate_that_was_too_low_delays_the_next() -> None:
    pace = Pace(per_minute=600, burst=100)
    assert pace.reserve(100, now_s=0) == 0
    pace.settle(50)
    assert pace.reserve(0, now_s=0) == 5
    pace.settle(-1000)
    assert pace.reserve(100, now_s=0) == 0
