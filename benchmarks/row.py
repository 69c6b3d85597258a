"""One row of the benchmark: implementations, their agreement, and the bars to meet."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.agreement import Disagreement
from benchmarks.machine import interleave


@dataclass
class Entry:
    """One implementation in a row."""

    name: str
    call: Callable[[], object] | None = None  #: None if it is not available
    agreement: str = ""  #: what was found equal, or what differs
    skipped: str = ""  #: why it was not timed


@dataclass(frozen=True)
class Bar:
    """``time of `over` / time of `under``` must be at least (or at most) `bound`."""

    text: str
    over: str
    under: str
    bound: float
    at_least: bool = True


@dataclass
class Row:
    key: str
    title: str
    entries: list[Entry] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    def add(
        self,
        name: str,
        call: Callable[[], object] | None,
        check: Callable[[], str] | None = None,
        note: str = "",
        missing: str = "",
    ) -> None:
        """Add an implementation; it is timed if it is available and `check` raises no error.

        Args:
            name: its name in the table.
            call: runs it once.
            check: returns what agrees, or raises `Disagreement`.
            note: known differences, which are reported whatever the check finds.
            missing: if the implementation is not available, the reason.
        """
        entry = Entry(name, call, note, missing)
        if not missing and check is not None:
            try:
                found = check()
                entry.agreement = f"{found}; {note}" if note else found
            except Disagreement as error:
                entry.call, entry.skipped = None, f"DISAGREES: {error}"
            except Exception as error:  # a peer with a changed interface is skipped
                entry.call, entry.skipped = None, f"does not run: {type(error).__name__}: {error}"
        self.entries.append(entry)

    def measure(self, repeats: int, clock: str) -> dict:
        """Time all entries, interleaved, and compare them with the bars.

        Args:
            repeats: rounds.
            clock: "cpu" or "wall", the time used for the ratios.
        """
        calls = {
            entry.name: entry.call for entry in self.entries if entry.call and not entry.skipped
        }
        best = interleave(calls, repeats)
        entries = []
        for entry in self.entries:
            found: dict = {"name": entry.name, "agreement": entry.agreement}
            if entry.name in best:
                time = best[entry.name]
                found |= {"cpu_ms": round(time.cpu, 4), "wall_ms": round(time.wall, 4)}
            else:
                found["skipped"] = entry.skipped
            entries.append(found)
        bars = []
        for bar in self.bars:
            result: dict = {"text": bar.text, "bound": bar.bound, "at_least": bar.at_least}
            if bar.over in best and bar.under in best:
                ratio = getattr(best[bar.over], clock) / max(getattr(best[bar.under], clock), 1e-9)
                met = ratio >= bar.bound if bar.at_least else ratio <= bar.bound
                result |= {"ratio": round(ratio, 3), "met": met}
            bars.append(result)
        return {"key": self.key, "title": self.title, "entries": entries, "bars": bars}
