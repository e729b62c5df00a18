"""Named sets that people keep on disk and torchvision downloads."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from common.data.dataset import Found
from common.data.named import download
from common.data.reading import Reading
from common.data.trees.listing import listing
from common.errors import DataError


@dataclass(frozen=True)
class Kept:
    """Reads a set from its files, wherever they are kept.

    title       torchvision's class, and a folder that the set may lie in
    among       its files among the names of those in a folder or archive; none where the set is not there
    read        what begins an error, these files by name, and how to read them -> what is found
    inside      folders and archives that the files come in
    elsewhere   folders outside of the data roots
    """

    title: str
    among: Callable[[Iterable[str]], list[str]]
    read: Callable[[str, Mapping[str, Path], Reading], Found]
    inside: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    def __call__(self, name: str, reading: Reading) -> Found:
        """Of the set called `name`, from disk or after a download. Raises DataError."""

        def places() -> Iterator[Path]:
            for folder in download.folders(name, self.title, reading.data_root):
                yield from (place for place in (*(folder / one for one in self.inside), folder) if self._is_in(place))
            yield from (place for place in map(Path, self.elsewhere) if self._is_in(place))

        place = download.found(name, places, self.title, reading.data_root)
        found = self.read(f"--dataset {name}", self._files(place), reading)
        if found.held is None:
            raise DataError(f"--dataset {name}: {place} holds its training images but no test images; put them there")
        return found

    def _is_in(self, place: Path) -> bool:
        return place.is_file() or bool(self._files(place))

    def _files(self, place: Path) -> dict[str, Path]:
        """The set's files at a place, by what they are called in an error."""
        if place.is_file():
            listed = listing(place)
            return {f"{place.as_posix()}/{name}": listed.place(name) for name in self.among(listed.files)}
        files = {file.as_posix(): file for file in place.iterdir()} if place.is_dir() else {}
        return {name: files[name] for name in self.among(files) if files[name].is_file()}
