"""Durations, ages, sizes and money, as a person reads them in few cells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size

from engine.model.text import one_line

if TYPE_CHECKING:
    from engine.model.records import CostTotal

UNKNOWN = "?"


def duration(seconds: float) -> str:
    """Seconds in at most six cells: 0.4s, 12s, 3m05s, 2h07m, 4d03h."""
    if seconds < 0:
        seconds = 0.0
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def offset(seconds: float) -> str:
    """A place in time within a run: 0:04, 12:31, 1:02:03."""
    whole = max(0, int(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def age(then: datetime, now: datetime) -> str:
    """How long ago: now, 3 min, 5 h, 2 days, then the date."""
    seconds = (now - then).total_seconds()
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 86_400:
        return f"{int(seconds // 3600)} h"
    days = int(seconds // 86_400)
    if days < 30:
        return "1 day" if days == 1 else f"{days} days"
    return then.date().isoformat()


def size(count: int) -> str:
    """Bytes: 512 B, 1.2 kB, 3.4 MB."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5:
            return f"{amount:.1f} {unit}" if amount < 99.95 else f"{amount:.0f} {unit}"
    return f"{amount / 1000:.1f} TB"


def dollars(micro: int) -> str:
    """Micro-USD to the cent, or to two digits when it is less than one."""
    amount = micro / 1_000_000
    if amount == 0 or amount >= 0.01:
        return f"${amount:,.2f}"
    return f"${amount:.2g}" if amount >= 0.0001 else "<$0.0001"


def cost(total: CostTotal) -> str:
    """A sum of costs. What is unknown is never counted as nothing: "?" alone, or "$0.12+?" beside what is known."""
    if total.unknown_calls and not total.usd_micro:
        return UNKNOWN
    return dollars(total.usd_micro) + (f"+{UNKNOWN}" if total.unknown_calls else "")


def used(total: CostTotal, options: Mapping[str, Any]) -> list[str]:
    """What a run has used up, each with its ceiling, if there is one: cost $0.12 of $1.00, 3 of 10 calls. What has no
    ceiling is left out, but for the cost."""
    found = [f"cost {cost(total)}"]
    if (most := options.get("budget_micro")) is not None:
        found[0] += f" of {dollars(most)}"
    if (most := options.get("max_tokens")) is not None:
        found.append(f"{tokens(total.prompt_tokens + total.completion_tokens)} of {tokens(most)} tokens")
    if (most := options.get("max_calls")) is not None:
        found.append(f"{total.calls} of {plural(most, 'call')}")
    return found


def tokens(count: int) -> str:
    """A count of tokens: 812, 12.3k, 1.2M."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.1f}M"


def model(name: str) -> str:
    """A model's name as a person knows it, safe to show: of a journal's path, the last two parts are enough."""
    name = one_line(name)
    provider, _, rest = name.partition(":")
    if provider == "journal" and "/" in rest:
        return f"journal:{'/'.join(rest.split('/')[-2:])}"
    return name


def plural(count: int, one: str, many: str | None = None) -> str:
    """`3 steps`, `1 step`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def doubts(unchecked: int, waived: int) -> str:
    """What a run's result rests on where that is not its checks: completed steps that declared none, checks that failed
    and were waived; or nothing."""
    found: list[str] = []
    if unchecked:
        found.append(
            f"{plural(unchecked, 'completed step is', 'completed steps are')} unchecked: no check was declared"
        )
    if waived:
        found.append(f"{plural(waived, 'failed check was', 'failed checks were')} waived")
    return f"{'; '.join(found)}." if found else ""


def likely(retry: Mapping[str, Any]) -> str:
    """What history says about a retry that was decided on, from its event's data; nothing where it was not asked."""
    chance = retry.get("chance")
    return str(chance.get("words") or "") if isinstance(chance, dict) and not retry.get("waived") else ""


def flat(text: str) -> str:
    """Text on one line: a line break within a painted line would tear the screen."""
    return " ".join(text.split())


def cells(text: str) -> int:
    """How many cells a text takes."""
    return cell_len(text)


def fit(text: str, width: int, *, ascii_only: bool = False) -> str:
    """Text in exactly `width` cells, cut with an ellipsis or filled with blanks; wide characters count as two."""
    if width <= 0:
        return ""
    if "\n" in text or "\t" in text:
        text = flat(text)
    length = cell_len(text)
    if length <= width:
        return text + " " * (width - length)
    dots = "~" if ascii_only else "…"
    return set_cell_size(text, width - 1) + dots
