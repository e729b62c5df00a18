"""Lines such as "dcgan.py {1e-4,2e-4} 2e-4 0.5 --dataset digits": which runs they ask for, and what each is called."""

import functools
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from common.data.registry import NAMES, canonical
from common.errors import BadArgument, FolderError
from common.models import settings_of
from common.options import FREE, Settings, as_arguments, as_text, parse
from common.scripts import HOME, is_training_script
from common.sweep.braces import expanded

PLACE = "the-run's-folder"  # stands on a line for the folder that the sweep chooses
LENGTH = ("epochs", "images")
LONGEST = 150  # characters of a name
README_LINE = re.compile(r"^\| `python (\w+)\.py (.+?)` \| `(.+?)` \|", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """A run that is asked for: its script, and what the line says of its settings, the folder aside."""

    script: str
    kind: type[Settings]
    given: Mapping[str, Any]
    name: str = ""  # of its folder below the sweep's

    @property
    def dataset(self) -> str | None:
        return self.given.get("dataset")

    @property
    def is_translation(self) -> bool:
        return self.kind(**{"folder": "", **self.given}).pairing(self.dataset) is not None

    def arguments(self, folder: str | os.PathLike[str], **changed: Any) -> list[str]:
        """Of its script; a setting that is changed to None is left out."""
        settings = {**self.given, "folder": os.fspath(folder), **changed}
        return as_arguments(self.kind, {name: value for name, value in settings.items() if value is not None})

    @functools.cached_property
    def key(self) -> str:
        """Equal for lines of one run, which may grow and be computed elsewhere."""
        decisive = {name: value for name, value in self.given.items() if name not in FREE | {*LENGTH}}
        return f"{self.script}.py {shlex.join(as_arguments(self.kind, decisive))}"

    def __str__(self) -> str:
        return f"{self.script}.py {shlex.join(as_arguments(self.kind, self.given))}"


def lines_of(
    texts: Iterable[str], shared: Mapping[str, Any], seeds: int | None, known: Mapping[str, str]
) -> list[Line]:
    """The runs that these lines ask for, by seed within a line, each with a name of its own.

    `shared` are settings of all lines that do not say otherwise; `known` is how runs are called already, by their keys.
    Raises BadArgument where a script would not take its line, or two runs would have one folder.
    """
    lines = [_read(one, shared) for text in texts for one in expanded(text)]
    if seeds is not None:
        said = next((line for line in lines if "seed" in line.given), None)
        if said is not None:
            raise BadArgument(f"{str(said)!r}: has a --seed of its own, and --seeds gives each line several")
        lines = [replace(line, given={**line.given, "seed": seed}) for line in lines for seed in range(seeds)]
    if not lines:
        raise BadArgument(
            'no lines; for example: python sweep.py out/sweep "dcgan.py {1e-4,2e-4} 2e-4 0.5 --dataset digits", --all,'
            " --papers, or --lines FILE"
        )
    return _named(lines, known)


def readme_lines(of_papers: bool = False) -> dict[str, str]:
    """Every variant's line in the README's table, without its folder, by script: the best known, or its paper's."""
    found = README_LINE.findall((HOME / "README.md").read_text(encoding="utf-8"))
    return {script: paper if of_papers else line.replace(f" out/{script}", "") for script, line, paper in found}


def in_file(path: str) -> Iterator[str]:
    """The lines of a file, without comments and blank ones. Raises BadArgument."""
    try:
        content = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise BadArgument(f"--lines {path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    for text in map(str.strip, content.splitlines()):
        if text and not text.startswith("#"):
            yield text


@functools.cache
def _kind_of(script: str) -> type[Settings]:
    """Read once for all lines of the script. Raises FolderError for what is no training script."""
    return settings_of({"script": script})


def _quotes(text: str) -> str:
    return "" if " " in text.strip() else "; a line is one argument: put quotes around it"


def _read(text: str, shared: Mapping[str, Any]) -> Line:
    """One line, without braces. Raises BadArgument with what its script says of it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadArgument(f"{text!r}: {str(error).lower()}") from error
    if words and re.fullmatch(r"python[\d.]*", PurePath(words[0]).name):
        words = words[1:]
    script, words = PurePath(words[0] if words else "").name.removesuffix(".py"), words[1:]
    try:
        kind = _kind_of(script)
    except FolderError:
        there = sorted(file.name for file in HOME.glob("*.py") if is_training_script(file))
        raise BadArgument(f"{text!r}: begins with none of {', '.join(there)}{_quotes(text)}") from None
    if {"-h", "--help"} & {*words}:
        raise BadArgument(f"{text!r}: asks for help; python {script}.py --help gives it")
    try:
        given = _parsed(kind, f"{script}.py", words)
    except BadArgument as error:
        raise BadArgument(f"{text!r}: {error}{_quotes(text)}") from error
    if "fresh" in given:
        raise BadArgument(f"{text!r}: --fresh would begin anew at every start; give the sweep another folder")
    folder = given.pop("folder")
    known = {field for field in kind.__dataclass_fields__ if field not in kind.without}
    added = {name: value for name, value in shared.items() if name in known}
    if given.keys() & {*LENGTH}:
        added = {name: value for name, value in added.items() if name not in LENGTH}
    given = {**added, **given}
    for name in ("dataset", "data_root"):
        if given.get(name) is not None:
            given[name] = _from_anywhere(given[name], is_a_set=name == "dataset")
    return Line(script, kind, given, "" if folder == PLACE else PurePath(folder).name)


def _parsed(kind: type[Settings], prog: str, words: Sequence[str]) -> dict[str, Any]:
    """What the line says, with PLACE for the folder that it does not name. Raises BadArgument."""
    first = next((place for place, word in enumerate(words) if word.startswith("--")), len(words)) or len(words)
    try:
        return parse(kind, "", prog, [*words[:first], PLACE, *words[first:]])
    except BadArgument as error:
        if PLACE not in str(error):
            raise
        return parse(kind, "", prog, list(words))  # it names a folder, or lacks more than that


def _from_anywhere(name_or_path: str, is_a_set: bool) -> str:
    """A set's name in one spelling; a path as it is from any working directory."""
    known = canonical(name_or_path) if is_a_set else name_or_path
    return known if is_a_set and known in NAMES else os.path.abspath(known)


# --- names


def _named(lines: Sequence[Line], known: Mapping[str, str]) -> list[Line]:
    """The same, each with a name: the one on its line, else the one that it has, else what tells it from the others.

    Raises BadArgument where two lines are the same or name one folder.
    """
    of_scripts = {script: [line for line in lines if line.script == script] for script in {one.script for one in lines}}
    varied = {script: _varied(some) for script, some in of_scripts.items()}
    kept: dict[str, Line] = {}
    seen, taken = set(), {*known.values()}
    for line in lines:
        if line.key in seen:
            raise BadArgument(f"two lines are the same run: {line}")
        seen.add(line.key)
        name = line.name + f",seed={line.given.get('seed')}" * ("seed" in varied[line.script]) if line.name else ""
        if name in kept:
            raise BadArgument(f"two lines have the folder {name}: {kept[name]}, and {line}")
        name = name or known.get(line.key) or _name(line, varied[line.script])
        number, free = 2, name
        while free in kept or (free in taken and free != known.get(line.key)):  # two paths that end alike
            number, free = number + 1, f"{name},{number}"
        kept[free] = replace(line, name=free)
    return list(kept.values())


def _varied(lines: Sequence[Line]) -> list[str]:
    """The settings in which these differ, in the order of the settings."""
    return [
        name
        for name in (lines[0].kind.__dataclass_fields__ if lines else ())
        if len({repr(line.given.get(name)) for line in lines}) > 1
    ]


def _name(line: Line, varied: Iterable[str]) -> str:
    """Such as dcgan,lr_g=1e-4,flip,seed=0."""
    parts = [line.script]
    for name in varied:
        value = line.given.get(name)
        if value is True:
            parts.append(name)
        elif value is not None:
            values = value if isinstance(value, list) else [value]
            texts = [PurePath(one).name if isinstance(one, str) else as_text(one) for one in values]
            parts.append(f"{name}=" + re.sub(r"[^\w.+-]", "_", "+".join(texts)))
    return ",".join(parts)[:LONGEST]
