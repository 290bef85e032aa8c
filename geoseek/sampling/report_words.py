"""What the balance report says about a split, in words and formatted figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from geoseek.reporting import count, kilometres, number, percent
from geoseek.sampling.balance import BalanceReport, Shortfall, SplitBalance, StratumBalance
from geoseek.sampling.exclusions import EXCLUSION_TEXT

TOP_COUNTRIES = 30
SHORTFALLS_SHOWN = 25
CLOSE_TV = 0.05
"""Total variation up to which a split is called close to its target: one row in twenty is out of place."""
OPTIMAL_TV = 0.0005
"""Gap to the best the pool allows that is no more than rounding."""

_HEADROOM = 1.04
_EXCLUSIONS = {reason.name.lower(): text for reason, text in EXCLUSION_TEXT.items()}


def is_audit(report: BalanceReport) -> bool:
    """Tell whether the report is on existing files: there is then no pool, and no best that it allows."""
    return bool(report.splits) and all(stratum.allocated is None for split in report.splits for stratum in split.strata)


def summary(report: BalanceReport) -> str:
    """Say in a sentence what the report is about."""
    rows = sum(s.size for s in report.splits)
    if not report.splits:
        return "There is no split to report on."
    splits = _plural(len(report.splits), "split", "splits")
    if is_audit(report):
        sets = _plural(len(report.splits), "set", "sets")
        return f"{_plural(rows, 'row', 'rows')} in {sets}, compared with the target of the design."
    offer = f"{_plural(report.kept, 'candidate', 'candidates')} of {_plural(len(report.pools), 'pool', 'pools')}"
    return f"{_plural(rows, 'row', 'rows')} in {splits}, drawn from {offer}."


@dataclass(frozen=True)
class SplitView:
    """One split, as the page shows it."""

    balance: SplitBalance
    colour: int
    anchor: str
    has_pool: bool
    show_best: bool
    drawn_word: str
    rating: str
    rating_class: str
    verdict: str
    facts: list[tuple[str, str]]
    continent_scale: float
    country_scale: float
    allocated_total: int
    top: tuple[StratumBalance, ...]
    table: tuple[StratumBalance, ...]
    limited: frozenset[str]
    missing_total: float
    shortfalls_shown: int = SHORTFALLS_SHOWN


def split_view(balance: SplitBalance, colour: int, anchor: str) -> SplitView:
    """Prepare a split for the page.

    Args:
        balance: Its figures.
        colour: Index into `Theme.series`.
        anchor: Id of its section.
    """
    allocated = [s.allocated for s in balance.strata if s.allocated is not None]
    table = tuple(s for s in balance.strata if s.target_share or s.achieved or s.allocated)
    rating, rating_class = _rating(balance)
    top = table[:TOP_COUNTRIES]
    size = max(1, balance.size)
    shares = [
        share for s in top for share in (s.target_share, s.achieved / size, (s.allocated or 0) / max(1, sum(allocated)))
    ]
    continents = [
        share for c in balance.continents for share in (c.target_share, c.achieved_share, c.best_share or 0.0)
    ]
    return SplitView(
        balance=balance,
        colour=colour,
        anchor=anchor,
        has_pool=bool(allocated),
        show_best=sum(allocated) > 0 and (balance.tv_to_best is None or balance.tv_to_best > OPTIMAL_TV),
        drawn_word="drawn" if allocated else "found",
        rating=rating,
        rating_class=rating_class,
        verdict=verdict(balance),
        facts=_facts(balance),
        continent_scale=_HEADROOM * max(continents, default=0.0),
        country_scale=_HEADROOM * max(shares, default=0.0),
        allocated_total=sum(allocated),
        top=top,
        table=table,
        limited=frozenset(s.code for s in balance.shortfalls),
        missing_total=sum(s.missing for s in balance.shortfalls),
    )


def _rating(balance: SplitBalance) -> tuple[str, str]:
    if balance.tv_to_target is None:
        return "empty", "plain"
    if balance.tv_to_target <= CLOSE_TV:
        return "close to the target", "good"
    if balance.tv_to_best is not None and balance.tv_to_best <= OPTIMAL_TV:
        return "limited by the pool", "warn"
    return "off the target", "warn"


def verdict(balance: SplitBalance) -> str:
    """Say in one or two sentences how near a split comes to its target, and why not nearer."""
    if balance.tv_to_target is None:
        return "No row was drawn." if balance.tv_best is not None else "There is no row to report on."
    share = f"{percent(balance.tv_to_target)} of the {count(balance.size)} rows"
    move = f"{share} would have to move to another country to match the target"
    if balance.tv_best is None or balance.tv_to_best is None:
        return f"{move}."
    if balance.tv_to_best > OPTIMAL_TV:
        return f"{move}; the pool would allow {percent(balance.tv_best)}."
    if balance.tv_to_target <= CLOSE_TV / 10:
        return f"{move}: the target is met."
    if not balance.shortfalls:
        return f"{move}; that is the rounding to whole rows."
    lacking = _plural(len(balance.shortfalls), "country", "countries")
    return f"{move}. This pool allows no better: it holds too few candidates in {lacking}."


def _plural(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _facts(balance: SplitBalance) -> list[tuple[str, str]]:
    reserve = sum(s.reserve for s in balance.strata)
    drawn = sum(1 for s in balance.strata if s.achieved)
    wanted = sum(1 for s in balance.strata if s.target_share)
    facts = [("Countries", f"{drawn} of {wanted} with a target")]
    if balance.tv_by_continent is not None:
        facts.append(("Distance to target by continent (TV)", percent(balance.tv_by_continent)))
    if reserve:
        facts.append(("Reserve", f"{count(reserve)} further ranked rows, to replace dead or rejected ones"))
    if balance.nearest_val_km is not None:
        near = balance.nearest_val_km
        text = f"nearest {kilometres(near.min)}, 5th percentile {kilometres(near.p5)}, median {kilometres(near.median)}"
        facts.append(("Distance to val", text))
    for reason, rows in sorted(balance.excluded.items(), key=lambda item: (-item[1], item[0])):
        text = _EXCLUSIONS.get(reason, reason.replace("_", " "))
        facts.append((f"Kept out: {reason.replace('_', ' ')}", f"{count(rows)} candidates, {text}"))
    return facts


def why(shortfall: Shortfall, size: int, max_share: float = 1.0) -> str:
    """Say why a stratum stays below its quota.

    Args:
        shortfall: The stratum.
        size: Rows of the split.
        max_share: Largest share of the split that one country may have.
    """
    if shortfall.supply == 0:
        return "no candidate in the pool"
    if max_share < 1 and shortfall.allocated >= int(max_share * size):
        return f"held down by --max-share {max_share:g}"
    if shortfall.supply is None or shortfall.allocated >= shortfall.supply:
        return "all candidates are taken"
    return "the supply is shared with the other splits"


@dataclass(frozen=True)
class Value:
    """One split's entry on a card."""

    name: str
    colour: int
    value: str
    note: str


@dataclass(frozen=True)
class Card:
    """One key figure, for all splits, and what it means."""

    title: str
    rows: list[Value]
    explain: str


def key_figures(report: BalanceReport, colours: Mapping[str, int]) -> list[Card]:
    """Return the key figures of all splits, each with a line in plain words."""
    audit = is_audit(report)
    designed = any(s.effective_size_basis == "design" for s in report.splits)

    def card(title: str, explain: str, value: Mapping[str, tuple[str, str]]) -> Card:
        rows = [Value(s.split, colours[s.split], *value[s.split]) for s in report.splits]
        return Card(title, rows, explain)

    cards = [
        card(
            "Rows",
            "Rows of the set with a usable position." if audit else "Rows drawn, without the reserve.",
            {s.split: (count(s.size), "") for s in report.splits},
        ),
        card(
            "Distance to the target (TV)",
            "Share of the rows that would have to move to another country to match the target. 0 % is perfect, under "
            f"{percent(CLOSE_TV, 0)} is close.",
            {s.split: (_or_dash(s.tv_to_target, percent), "") for s in report.splits},
        ),
    ]
    if not audit:
        cards.append(
            card(
                "Distance to the best the pool allows",
                "The same, measured against the best allocation that the pool's supply permits, whose own distance to "
                "the target stands beside it. At 0 %, only another pool can bring the split nearer to the target.",
                {
                    s.split: (
                        _or_dash(s.tv_to_best, percent),
                        "" if s.tv_best is None else f"pool's best: {percent(s.tv_best)}",
                    )
                    for s in report.splits
                },
            )
        )
    cards += [
        card(
            "Information lost (KL)",
            "Kullback–Leibler divergence from the target, in nats per row: 0 is perfect, under 0.05 is close. It is "
            "infinite if rows lie in a country whose target is 0.",
            {s.split: ("–" if not s.size else _or_infinite(s.kl_to_target), _kl_note(s)) for s in report.splits},
        ),
        card(
            "Effective sample size",
            "Rows that an equally weighted sample would need for averages over the pool to be as precise (Kish). It is "
            "below the size because the design favours thinly covered places; weight averages by design_weight."
            if designed
            else "Rows that are left in effect once every country is weighted to its target share (Kish). The nearer "
            "to the size, the less the weighting costs.",
            {s.split: (count(s.effective_size), _ratio_note(s.effective_size, s.size)) for s in report.splits},
        ),
        card(
            "Cells covered",
            "1° × 1° cells of the world with at least one row: how far the set spreads inside the countries."
            + ("" if audit else " The rest of the cells on offer received none."),
            {s.split: (count(s.cells_covered), _cells_note(s)) for s in report.splits},
        ),
    ]
    return cards


def _or_dash(value: float | None, form: Callable[[float], str]) -> str:
    return "–" if value is None else form(value)


def _or_infinite(value: float | None) -> str:
    return "∞" if value is None else number(value)


def _kl_note(balance: SplitBalance) -> str:
    if balance.tv_to_best is None or not balance.size:
        return ""
    return f"to the pool's best: {_or_infinite(balance.kl_to_best)}"


def _ratio_note(part: float, whole: int) -> str:
    return f"{percent(part / whole, 0)} of the rows" if whole else ""


def _cells_note(balance: SplitBalance) -> str:
    if not balance.cells_with_supply:
        return ""
    return f"of {count(balance.cells_with_supply)} with a candidate"
