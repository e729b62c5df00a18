"""run.json: what a run is, and how it stands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.console import say
from common.errors import FolderError
from common.runs.checkpoint import newest_whole
from common.runs.folder import RunFolder, holds_a_run
from common.runs.names import RECORD
from common.runs.sealing import check_record, sealed_json, unsealed_json


def read_record(path: Path) -> dict[str, Any] | None:
    """What run.json says, or None where no run has begun. Raises FolderError where nobody knows any more.

    Every checkpoint carries a copy, from which a damaged one is rebuilt.
    """
    file = Path(path) / RECORD
    try:
        record = unsealed_json(file.read_bytes())
        check_record(record)
        return record
    except FileNotFoundError as error:
        if not holds_a_run(file.parent):
            return None
        damage: Exception = error
    except OSError as error:
        raise FolderError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        damage = error
    state, _ = newest_whole(file.parent, say_damage=False)
    if state is None:
        raise FolderError(f"{file}: damaged ({damage}) and no checkpoint to rebuild it from; --fresh starts anew")
    say(f"{file}: missing or damaged; rebuilt from the checkpoint")
    return state["record"]


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    RunFolder(path).write(RECORD, sealed_json(record))
