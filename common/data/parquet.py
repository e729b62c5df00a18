"""Parquet and arrow files of the form that Hugging Face's sets have: a column of encoded images, one of labels."""

from collections.abc import Mapping
from pathlib import Path

from common.data.dataset import Found
from common.data.reading import Reading
from common.errors import DataError


def read_parquet(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """Raises DataError, beginning with `asked`."""
    raise DataError(f"{asked}: parquet files are not read yet")
