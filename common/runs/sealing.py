"""JSON files that carry their own SHA-256, and what a record of a run must have."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from common.machine.cores import MOST_THREADS

# What is read of a record without looking first, and of what kind it is.
RECORDED = {"script": str, "state": str, "settings": dict, "given": list, "dataset": dict, "device": str}
RECORDED |= {"precision": str, "threads": int, "epochs": int, "sample_every": int, "started": str, "message": str}
OF_THE_DATASET = {"name": str, "fingerprint": str, "images": int}


def _digest_of(content: Mapping[str, Any]) -> str:
    unsealed = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(unsealed, sort_keys=True).encode()).hexdigest()


def sealed_json(content: Mapping[str, Any]) -> bytes:
    """A JSON file of the content and its SHA-256."""
    return (json.dumps({**content, "sha256": _digest_of(content)}, indent=2) + "\n").encode()


def unsealed_json(text: bytes) -> dict[str, Any]:
    """The content of such a file. Raises ValueError, KeyError, TypeError or RecursionError where it is damaged."""
    content = json.loads(text)
    if content["sha256"] != _digest_of(content):
        raise ValueError("its SHA-256 does not match")
    return content


def check_record(record: Any) -> None:
    """Raises KeyError, TypeError or ValueError for what is no record of a run."""
    for name, kind in RECORDED.items():
        if not isinstance(record[name], kind):
            raise ValueError(f"its {name} is no {kind.__name__}")
    if not all(isinstance(record["dataset"][name], kind) for name, kind in OF_THE_DATASET.items()):
        raise ValueError("its dataset is none")
    threads = (record["threads"], record.get("most_threads", 1))
    if not all(isinstance(number, int) and 0 < number <= MOST_THREADS for number in threads):
        raise ValueError("its threads make no sense")
    if not (isinstance(record.get("ranks", 1), int) and record.get("ranks", 1) > 0):
        raise ValueError("its number of processes makes no sense")
