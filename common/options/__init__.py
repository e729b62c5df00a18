"""The command line: what may be given, and argv -> one frozen settings object."""

from common.options.parser import Parser, add_options, parse
from common.options.settings import FREE, THREADS, Settings, argument, option
from common.options.types import duration, name_or_path, number, thread_count, whole
from common.options.writing import as_arguments, as_text

__all__ = [
    "FREE",
    "THREADS",
    "Parser",
    "Settings",
    "add_options",
    "argument",
    "as_arguments",
    "as_text",
    "duration",
    "name_or_path",
    "number",
    "option",
    "parse",
    "thread_count",
    "whole",
]
