"""Files beside the images that say their classes or splits: labels.csv, metadata.jsonl, StyleGAN's dataset.json."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from common.data.arrays.labels import NotClasses
from common.data.dataset import evenly
from common.data.trees.formats import told_by_name
from common.data.trees.image_names import Images, stem_of
from common.data.trees.label_columns import NoColumn, classes_in, splits_in
from common.data.trees.label_rows import TABLES, Rows, read_rows
from common.data.trees.layout import left_out_of
from common.data.trees.listing import Listing
from common.data.words import NEUTRAL, split_of, split_of_word, words
from common.errors import DataError, first_line

SURE = {"label", "labels", "metadata"}  # in the name of a file that is one of labels: it wins over folders
ABOUT = SURE | NEUTRAL | {"list", "annotations", "annotation", "info", "ids", "class", "classes", "df"}
MANY = 20  # files of one suffix, which are then of an image each, or of something else
SAMPLED = 200  # rows by which is told which column names images


@dataclass(eq=False)
class Said:
    """What such files say.

    class_of, split_of      name of an image: its class; its split
    files, splitting, idle  those that say something; those that say splits; those that name no image
    understood, left_out    as in Layout
    """

    class_of: dict[str, str] = field(default_factory=dict)
    split_of: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    splitting: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read_label_files(asked: str, listed: Listing, names: list[str], sure: bool) -> Said:
    """Of the files that are called as such, or else (not `sure`) of other tables, which may be of anything.

    Raises DataError, beginning with `asked`, for a file that is called so and damaged, or not clear.
    """
    said, images, titles = Said(), Images(names), defaultdict(list)
    for file in _files(listed.files, sure):
        try:
            rows = read_rows(file, listed.read(file))
        except Exception as error:  # also what a damaged archive raises, which is as varied as the damage
            if sure:
                raise DataError(f"{asked}: {file} is damaged ({first_line(error)}); repair or remove it") from error
            continue
        if title := _understand(asked, file, rows, images, said, sure):
            titles[title].append(file)
    said.understood += [f"classes are {title} of {_some(files)}" for title, files in titles.items()]
    if said.idle:
        said.understood.append(f"no image is named in {_some(said.idle)}")
    return said


def _some(files: list[str]) -> str:
    return ", ".join(files[:3]) + f" and {len(files) - 3:,} more" * (len(files) > 3)


def _files(files: Iterable[str], sure: bool) -> list[str]:
    by_suffix = defaultdict(list)
    for name in sorted(name for name in files if name.lower().endswith(TABLES)):
        path = PurePosixPath(name)
        suffix, said = path.suffix.lower(), set(words(path.stem))
        called_so = path.name == "dataset.json" or bool(said & SURE and all(map(_about, said)) and suffix != ".txt")
        other = suffix != ".json" and not said & {"submission", "readme", "requirements", "license"}
        if called_so if sure else other and not called_so:
            by_suffix[suffix].append(name)
    return [name for some in by_suffix.values() if sure or len(some) <= MANY for name in some]


def _about(word: str) -> bool:
    return word in ABOUT or word.isdecimal() or split_of_word(word) is not None


def _understand(asked: str, file: str, rows: Rows, images: Images, said: Said, sure: bool) -> str | None:
    """Adds what these rows say; returns the title of the column that says the classes. Raises DataError."""
    column, columns, cells = _column_of_names(file, rows, images)
    found = []
    for row in cells:
        found.append(images.find(row[column], file))
        if len(found[-1]) > 1:
            first, second, *_ = sorted(found[-1])
            trouble = f"{file} names {row[column]}, which may be {first} or {second}"
            if sure:
                raise DataError(f"{asked}: {trouble}; write their folders, too")
            said.understood.append(f"{trouble}: it says nothing")
            return None
    named = {ones[0] for ones in found if ones}
    if not named or (not sure and len(named) * 2 < min(len(found), len(images.names))):
        said.idle += [file] if sure and rows.cells else []
        return None
    said.files.append(file)
    if absent := [row[column] for row, ones in zip(cells, found, strict=True) if not ones]:
        said.left_out.append(left_out_of(absent, f"of {file}, for images that are not there", "row"))
    cells = [row for row, ones in zip(cells, found, strict=True) if ones]
    names = [ones[0] for ones in found if ones]
    others = [place for place in range(len(cells[0])) if place != column]
    if split := splits_in(columns, cells, others):
        others.remove(split[0])
        splits = {name: one for name, one in zip(names, split[1], strict=True) if one}
    else:
        of_file = split_of(PurePosixPath(file).stem)
        splits = dict.fromkeys(names, of_file[0]) if of_file and set(words(of_file[1])) <= ABOUT else {}
    said.split_of |= splits
    said.splitting += [file] if splits else []
    if not others:
        return None
    try:
        title, classes = classes_in(columns, cells, others)
        class_of = _one_each(names, classes)
        if not sure and {"-1", "1"} <= {*class_of.values()} <= {"-1", "0", "1"}:  # as VOC's cat_train.txt
            raise NotClasses("1 and -1 say which images show one thing")
        # As GTSRB's labels.csv: a list of the classes by number, where images have numbers, too.
        if sure and len(class_of) * 2 < len(images.names) and len({*class_of.values()}) == len(class_of):
            raise NotClasses(f"it names {len(class_of):,} of {len(images.names):,} images, each of another class")
    except NotClasses as error:
        if isinstance(error, NoColumn) and not sure:
            return None
        said.understood.append(f"{file} gives no classes: {error}")
        return None
    if differ := [name for name, one in class_of.items() if said.class_of.get(name, one) != one]:
        raise DataError(f"{asked}: {file} and another file give {differ[0]} different classes; remove one of them")
    said.class_of |= class_of
    return title


def _column_of_names(file: str, rows: Rows, images: Images) -> tuple[int, list[str] | None, list[list[str]]]:
    """Which column names the most images, what the columns are called if that is known, and the rows below that."""
    sample = [rows.cells[place] for place in evenly(len(rows.cells), SAMPLED)]
    width = len(rows.cells[0]) if rows.cells else 0

    def named(column: int) -> tuple[int, bool]:
        different = {tuple(ones) for row in sample if (ones := images.find(row[column], file))}
        return len(different), any(told_by_name(row[column]) for row in sample)

    column = max(range(width), key=named, default=0)
    columns, cells = rows.columns, rows.cells
    if columns is None and len(cells) > 1 and not images.find(cells[0][column], file):
        first = cells[0][column]
        if stem_of(first) == first:  # else it is called as a file is that is not there
            columns, cells = cells[0], cells[1:]
    return column, columns, cells


def _one_each(names: list[str], classes: list[str]) -> dict[str, str]:
    """Name: class. Raises NotClasses where a name has several."""
    class_of: dict[str, str] = {}
    for name, one in zip(names, classes, strict=True):
        if one and class_of.setdefault(name, one) != one:
            raise NotClasses(f"it gives several to an image ({name})")
    return class_of
