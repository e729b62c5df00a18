"""What a sweep has found: a table by score on the terminal, sweep.csv with a row a run."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from common.console import clock
from common.report.tables import as_csv, mean_and_spread, rank, table
from common.scoring.columns import COLUMNS_OF_SCORES, format_score, shown
from common.sweep.halving import groups_of
from common.sweep.ledger import Entry

TABLE = "sweep.csv"
SHOWN = 40  # lines of the table


def rows(entries: Sequence[Entry]) -> bytes:
    """sweep.csv: every run's name, line, state, exit code, length and scores."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        record, scores = entry.record or {}, (entry.scored or {}).get("scores", {})
        found.append(
            {
                "run": entry.line.name,
                "line": str(entry.line),
                "state": entry.state,
                "exit_code": entry.code,
                "starts": entry.starts,
                "images": record.get("images"),
                "seconds": record.get("seconds"),
                **{
                    f"{name} after {length}": value for length, of in entry.rounds.items() for name, value in of.items()
                },
                **scores,
            }
        )
    return as_csv(found)


def by_score(entries: Sequence[Entry], score: str) -> str:
    """A table of the lines for each data set, the best first; runs that differ by seed alone are one row."""
    tables: dict[tuple, list[list[Entry]]] = {}
    for lines in groups_of(entries):
        tables.setdefault((lines[0][0].line.dataset, lines[0][0].line.is_translation), []).extend(lines)
    return "\n\n".join(_table(lines, score) for lines in tables.values())


def _table(lines: Sequence[Sequence[Entry]], score: str) -> str:
    found = {id(seeds): [one.scored["scores"] for one in seeds if one.scored] for seeds in lines}
    columns = shown(scores for some in found.values() for scores in some)
    first = score if score in columns else next(iter(columns), None)

    def mean(seeds: Sequence[Entry], name: str) -> tuple[float | None, float | None]:
        return mean_and_spread(scores.get(name) for scores in found[id(seeds)])

    body = []
    for seeds in sorted(lines, key=lambda seeds: rank(first and mean(seeds, first)[0], first))[:SHOWN]:
        records = [one.record for one in seeds if one.record]
        images, _ = mean_and_spread(record["images"] for record in records)
        seconds, _ = mean_and_spread(record["seconds"] for record in records)
        states = ", ".join(f"{state} ×{n}" if n > 1 else state for state, n in Counter(x.state for x in seeds).items())
        scores = (format_score(name, *mean(seeds, name)) for name in columns)
        length = ("–", "–") if images is None else (f"{images:,.0f}", clock(seconds))
        body.append([_name(seeds), states, *length, *scores])
    titles = ["", "state", "images", "time", *(COLUMNS_OF_SCORES[name].title for name in columns)]
    more = f"\nand {len(lines) - SHOWN:,} more in {TABLE}" if len(lines) > SHOWN else ""
    return table(titles, body) + more


def _name(seeds: Sequence[Entry]) -> str:
    """What the runs of a line are called, without their seeds where there are several."""
    name = seeds[0].line.name
    return name if len(seeds) == 1 else f"{re.sub(r',seed=[0-9]+', '', name)} (×{len(seeds)} seeds)"
