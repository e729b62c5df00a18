"""What the README tells people to type is understood by the scripts as they are."""

import importlib
import re
import shlex

from common.options import parse

import pytest
from conftest import HOME, SCRIPTS

README = (HOME / "README.md").read_text()
LINES = sorted(set(re.findall(rf"python ((?:{'|'.join(SCRIPTS)})\.py \d[^`#|\n]+)", README)))


@pytest.mark.parametrize("line", LINES)
def test_every_training_line_parses(line):
    script, *arguments = shlex.split(line)
    kind = importlib.import_module(script.removesuffix(".py")).Settings
    assert kind(**parse(kind, "", script, arguments)).folder


def test_every_script_has_a_line():
    assert {line.split(".py")[0] for line in LINES} == set(SCRIPTS)


def test_the_first_two_shell_blocks_install_and_train_and_test():
    trains, tests = re.findall(r"^```sh\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)[:2]
    for command in (trains, tests):
        assert "\n" not in command
        assert "pip install" in command
    assert "cgan.py" in trains and "--time-limit 60s" in trains
    assert tests.endswith("-m pytest -q")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_can_be_read_in_one_sitting(script):
    longest = 180 if script == "r3gan" else 150  # it alone has two kinds of networks, schedules and --classes
    assert len((HOME / f"{script}.py").read_text().splitlines()) <= longest
