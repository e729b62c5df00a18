"""Which image is meant by what a file beside the images calls it."""

from collections import defaultdict
from pathlib import PurePosixPath

from common.data.trees.formats import suffix_of, told_by_name
from common.data.words import class_key, folded, split_of


class Images:
    """Finds images by what a file calls them: with or without suffix, with more, fewer or no folders."""

    def __init__(self, names: list[str]):
        self.names = set(names)
        self._called: dict[str, list[str]] = defaultdict(list)  # by the last part of a name
        self._numbered: dict[str, list[str]] = defaultdict(list)  # by the last part, of those that are a number
        self._inside: dict[tuple[str, str], list[str]] = defaultdict(list)  # by the last two

    def find(self, text: str, file: str) -> list[str]:
        """The one that `file` means by `text`; several where that is not clear."""
        text = text.replace("\\", "/").removeprefix("./").strip("/")
        folder = file.rpartition("/")[0]
        exactly = f"{folder}/{text}".removeprefix("/")
        if exactly in self.names:
            return [exactly]
        *above, last = folded(text).split("/")
        alike = self._alike(above, last) or self._alike(above, stem_of(last))
        if len(alike) > 1 and folder:
            alike = [name for name in alike if name.startswith(f"{folder}/")] or alike
        if len(alike) > 1 and (split := split_of(PurePosixPath(file).stem)):
            alike = [name for name in alike if split[0] in _splits_above(name)] or alike
        if len(alike) > 1:
            alike = [name for name in alike if folded(name).rpartition("/")[2] == last] or alike
        return alike

    def _alike(self, above: list[str], last: str) -> list[str]:
        """Those called so, with or without suffix, whose folders end in these, or these in theirs."""
        if not self._called:
            for name in self.names:
                *own, called = folded(name).split("/")
                stem = stem_of(called)
                self._called[stem].append(name)
                if stem.isdecimal():
                    self._numbered[class_key(stem)].append(name)
                self._inside[own[-1] if own else "", stem].append(name)
        if not above:
            return self._called.get(last) or (self._numbered.get(class_key(last), []) if last.isdecimal() else [])
        alike = [*self._inside.get((above[-1], last), ()), *self._inside.get(("", last), ())]
        return [name for name in alike if _ends_alike(folded(name).split("/")[:-1], above)]


def stem_of(name: str) -> str:
    """Without the suffix of an image."""
    return name.removesuffix(suffix_of(name)) if told_by_name(name) else name


def _splits_above(name: str) -> set[str]:
    return {found[0] for folder in name.split("/")[:-1] if (found := split_of(folder))}


def _ends_alike(own: list[str], above: list[str]) -> bool:
    shared = min(len(own), len(above))
    return own[len(own) - shared :] == above[len(above) - shared :]
