"""Which columns of a table hold images and their classes: told by types, names, and what `datasets` wrote down."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.console import first_of
from common.data.tables.columns import Column
from common.data.words import words
from common.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: a refusal is quick

# The first that there is, where several columns could be meant.
IMAGES = ("image", "img", "images", "imgs", "pixels", "pixel_values", "picture", "photo", "png", "jpg", "jpeg", "webp")
LABELS = ("label", "labels", "fine_label", "class", "classes", "target", "targets", "category", "cls", "y")
SHOWN = 8  # columns that a refusal lists


@dataclass(frozen=True)
class Features:
    """The columns that are read.

    image           encoded images, or the lists of their pixels
    is_encoded      which of these two
    path            of images that may be in files beside the table, what names these
    label           what is told apart; None where no column says it
    titles          of the values 0, 1, ... of `label`, if they are numbers with names
    understood      what its owner should see, a sentence each
    """

    image: Column
    is_encoded: bool
    path: Column | None
    label: str | None
    titles: tuple[str, ...]
    understood: tuple[str, ...]


def features_of(asked: str, name: str, schema: "pa.Schema") -> Features:
    """Of the table that is called `name`. Raises DataError, beginning with `asked`."""
    encoded = {field.name: found for field in schema if (found := _encoded(field))}
    candidates = list(encoded) or [field.name for field in schema if _pixels(field)]
    image = candidates[0] if len(candidates) == 1 else _first(IMAGES, candidates)
    if image is None:
        listed = ", ".join(map(in_words, list(schema)[:SHOWN]))
        listed += f" and {len(schema) - SHOWN:,} more" * (len(schema) > SHOWN)
        if candidates:
            raise DataError(f"{asked}: {name} has several columns of images ({listed}); rename the one to use image")
        raise DataError(
            f"{asked}: {name} has no column of images, as bytes of image files or lists of pixels, only {listed}"
        )
    titles = _titles(schema)
    label, said = _label(schema, image, titles)
    said = f"images are in the column {image}{_not(candidates, image)}; {said}"
    fields = {field.name: kind_of(field.type) for field in _fields(schema.field(image).type)}
    path = (image, "path") if image in encoded and fields.get("path") == "text" else None
    return Features(encoded.get(image, (image,)), image in encoded, path, label, titles.get(label, ()), (said,))


def in_words(column: "pa.Field") -> str:
    """label: int64"""
    return f"{column.name}: {column.type}"


def kind_of(kind: "pa.DataType") -> str:
    """A word for types that can be read alike."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    tests = {
        "yes or no": types.is_boolean,
        "numbers": lambda one: types.is_integer(one) or types.is_floating(one),
        "text": lambda one: types.is_string(one) or types.is_large_string(one) or types.is_string_view(one),
        "bytes": lambda one: types.is_binary(one) or types.is_large_binary(one) or types.is_binary_view(one),
        "lists": _is_list,
    }
    return next((word for word, test in tests.items() if test(kind)), str(kind))


def _is_list(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _fields(kind: "pa.DataType") -> "list[pa.Field]":
    from pyarrow import types

    return list(kind) if types.is_struct(kind) else []


def _encoded(field: "pa.Field") -> Column | None:
    """Where in a column the bytes of image files are: in itself, or in a field `bytes`, as `datasets` keeps them."""
    if kind_of(field.type) == "bytes":
        return (field.name,)
    if any(one.name == "bytes" and kind_of(one.type) == "bytes" for one in _fields(field.type)):
        return field.name, "bytes"
    return None


def _pixels(field: "pa.Field") -> bool:
    """Whether a column holds lists of lists of numbers, or lists of numbers that it calls pixels."""
    kind, depth = getattr(field.type, "storage_type", field.type), 0
    while _is_list(kind):
        kind, depth = kind.value_type, depth + 1
    named = depth == 1 and field.name.lower() in IMAGES
    return (depth > 1 or named) and kind_of(kind) in ("yes or no", "numbers")


def _first(names: tuple[str, ...], candidates: list[str]) -> str | None:
    written = {name.lower(): name for name in reversed(candidates)}
    return next((written[name] for name in names if name in written), None)


def _titles(schema: "pa.Schema") -> dict[str, tuple[str, ...]]:
    """The columns that `datasets` wrote down as classes, and the names of these."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        found = {name: feature for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
        return {name: tuple(map(str, feature.get("names") or ())) for name, feature in found.items()}
    except (TypeError, KeyError, ValueError, AttributeError):  # none, or not as they are written
        return {}


def _label(schema: "pa.Schema", image: str, titles: dict[str, tuple[str, ...]]) -> tuple[str | None, str]:
    """The column of classes, and what is to be said of it."""
    usable = [field.name for field in schema if kind_of(field.type) in ("yes or no", "numbers", "text")]
    known = [name for name in usable if name in titles]
    speaking = [name for name in usable if {*words(name)} & {*LABELS}]
    label = _first(LABELS, usable) or next((found[0] for found in (known, speaking) if len(found) == 1), None)
    if label:
        return label, f"their classes in {label}{_not(known, label)}"
    rest = [field.name for field in schema if field.name != image]
    there = f" (it would be called label; there are {first_of(rest, SHOWN)})" if rest else ""
    return None, f"no column says their classes{there}"


def _not(candidates: list[str], chosen: str) -> str:
    others = [name for name in candidates if name != chosen]
    return f", not {', '.join(others)}" if others else ""
