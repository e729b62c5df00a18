"""What people's names of files, folders and arrays say: `seg_train`, `TestImages`, `x_val`."""

import re
import unicodedata
from collections.abc import Iterable

SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout", "t10k"), "test"),
    # German, French, Spanish, Portuguese
    **dict.fromkeys(("trainings", "apprentissage", "entrainement", "entrenamiento", "treino", "treinamento"), "train"),
    **dict.fromkeys(("validierung", "validierungs", "validacion", "validacao"), "val"),
    **dict.fromkeys(("prueba", "pruebas", "teste", "testes"), "test"),
}
# What says nothing beside the name of a split.
NEUTRAL = {"set", "sets", "data", "dataset", "file", "files", "folder", "split", "part", "all"}
NEUTRAL |= {"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "pics"}
NEUTRAL |= {"original", "raw", "resized", "cropped", "daten", "bilder"}
# How else one picture is made, which is the same picture once more: images1024x1024 beside thumbnails128x128.
MADE_AGAIN = {"thumbnail", "thumbnails", "thumb", "thumbs", "preview", "previews", "augmented", "segmented"}
MADE_AGAIN |= {"processed", "preprocessed", "aligned"}
MADE_AGAIN |= {"color", "colour", "rgb", "gray", "grey", "grayscale", "greyscale"}
# What the parts are called, beside a number, into which a set is cut; CUT whatever else is in their names.
CUT = {"part", "shard", "chunk", "batch", "fold", "subset", "vol", "volume"}
PARTS = NEUTRAL | CUT | {"dir"}
# What pictures are called that say something of other pictures, and are not trained on with these; OF_REGIONS whatever
# else is in their names.
OF_REGIONS = {"segmentation", "segmentations", "segmim", "groundtruth", "trimap", "trimaps"}
MASKS = OF_REGIONS | {"mask", "masks", "label", "labels", "annotation", "annotations", "annots", "gt", "seg", "segs"}
# What systems and programs leave beside people's files, in lower case; what begins with a dot is hidden besides.
LEFT_BEHIND = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "#recycle", "@eadir"}
LEFT_BEHIND |= {"lost+found", "system volume information", "__pycache__"}
_ENDINGS = tuple(sorted(NEUTRAL, key=len, reverse=True))
# As cameras and telephones number theirs: 100APPLE, 101_PANA, 202403_a.
_CAMERA = re.compile(r"[1-9]\d\d(?!\d{5})(?:[A-Z0-9_]{5}|\d{3}_[a-z])")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")


def is_nothing(parts: Iterable[str]) -> bool:
    """Whether the file with these folders and name in a set is not its owner's: hidden, or left there by a program."""
    return any((part.startswith(".") and part not in (".", "..")) or part.lower() in LEFT_BEHIND for part in parts)


def folded(text: str) -> str:
    """The same for Ä and ä, and for an umlaut that is one sign and one that is two, as on a Mac."""
    return unicodedata.normalize("NFC", text).casefold()


def class_key(text: str) -> str:
    """The same for what is called Cat and cat, and for 00007 and 7."""
    return text.lstrip("0") if text.isdecimal() else folded(text)


def words(text: str) -> list[str]:
    """'seg_train' -> seg, train; 'TestImages2' -> test, images, 2; 'trainA' -> train, a."""
    return [found.group().lower() for found in _WORD.finditer(text)]


def split_of_word(word: str) -> str | None:
    """train, val or test for one of the words that people use for it, also written as one with another: 'trainset'."""
    if word in SPLITS:
        return SPLITS[word]
    plain = next((word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending)), "")
    return SPLITS.get(plain)


def split_of(text: str) -> tuple[str, str] | None:
    """The split that a name speaks of, and what it says besides: ('train', 'seg') of seg_train, ('test', '') of Test2.

    None where it speaks of none, or of two.
    """
    whole = SPLITS.get(re.sub(r"[\W_]+", "", text).lower())  # held-out, t10k
    if whole:
        return whole, ""
    found = [(split_of_word(one.group().lower()), one) for one in _WORD.finditer(text)]
    splits = {split for split, _ in found if split}
    if len(splits) != 1:
        return None
    rest = [one.group() for split, one in found if not split and not _says_nothing(one.group().lower())]
    return splits.pop(), "_".join(rest)


def numbered_part(text: str) -> str | None:
    """What a part of a set is called beside its number, 'images' of images_001; None for any other name."""
    if _CAMERA.fullmatch(text):
        return "DCIM"
    beside = [word for word in words(text) if not word.isdecimal()]
    numbered = len(beside) < len(words(text))
    cut = bool(beside) and (PARTS.issuperset(beside) or not CUT.isdisjoint(beside))
    return "_".join(beside) if numbered and cut else None


def of_masks(text: str) -> bool:
    """Whether a folder is called as one of masks: 'masks', 'SegmentationClass', 'ground_truth'."""
    plain = [word for word in words(text) if not _says_nothing(word)]
    some = {*plain, "".join(plain)}
    return bool(plain) and (MASKS.issuperset(plain) or not OF_REGIONS.isdisjoint(some))


def of_images(text: str) -> bool:
    """Whether a folder is called as one of images and nothing else: 'images', 'JPEGImages', 'Raw_Photos'."""
    return NEUTRAL.issuperset(set(words(text)) - {"jpeg", "jpg", "png", "rgb"})


def of_any_images(text: str) -> bool:
    """Whether a folder's name says of its images at most how they are made: 'images', 'Resized', 'grayscale_64x64'."""
    said = {word for word in words(text) if not word.isdecimal()} - {"x"}
    return bool(said) and said <= NEUTRAL | MADE_AGAIN


def _says_nothing(word: str) -> bool:
    return word in NEUTRAL or word.isdecimal()
