"""The command line: what may be given, and argv -> one frozen settings object."""

from common.options.parser import Parser, parse
from common.options.settings import FREE, Settings, argument, option
from common.options.types import duration, name_or_path, number, whole

__all__ = ["FREE", "Parser", "Settings", "argument", "duration", "name_or_path", "number", "option", "parse", "whole"]
