"""scores.json: what evaluate.py found of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.console import say
from common.runs.folder import RunFolder
from common.runs.names import SCORES
from common.runs.sealing import sealed_json, unsealed_json


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Its entries, of which no two may be compared; none where it is missing or damaged."""
    file = Path(path) / SCORES
    try:
        return unsealed_json(file.read_bytes())["entries"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        say(f"{file}: damaged ({error}); evaluate.py writes it anew")
        return []


def write_scores(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    RunFolder(path).write(SCORES, sealed_json({"entries": list(entries)}))
