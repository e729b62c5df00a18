"""Which files are images, by their names and first bytes: what Pillow reads, and what needs something else first."""

import contextlib
import importlib
import importlib.util
import re
from dataclasses import dataclass
from functools import cache

BEGINNING = 512  # bytes of a file that tell what it is
# In the order in which they are tried. A file that has a suffix of one of these is an image, whatever is in it.
USUAL = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "DIB", "TGA", "ICO", "QOI", "PSD")
USUAL += ("HEIF", "JXL")  # of the packages below
# Pillow hands EPS to Ghostscript and WMF to Windows, unpacks FITS without a bound, and reads no pixels of the others.
NEVER = {"EPS", "WMF", "FITS", "BUFR", "GRIB", "HDF5", "MPEG"}
_SUFFIX = re.compile(r"(?:\.nii)?\.[a-z][a-z0-9]{0,9}$|\.3fr$")
_SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a|BM....\0\0\0\0|II\*\0|MM\0\*|P[1-6]\s+[\d#]"
    rb"|\0\0\0\x0cjP  |\xffO\xffQ|qoif|8BPS\x00\x01",
    re.DOTALL,
)


@dataclass(frozen=True)
class Foreign:
    """Images of a format that Pillow does not read.

    title       what one of them is
    suffixes    of their names
    advice      what to do so that they are read
    begins      a pattern of their first bytes
    format      Pillow's name of it, where it can be read after all
    package     that reads them where it is installed: a module
    register    a function of the package that makes Pillow know it; without one, to import it is enough
    """

    title: str
    suffixes: tuple[str, ...]
    advice: str
    begins: bytes = rb"(?!)"
    format: str | None = None
    package: str | None = None
    register: str | None = None


RAW = ".dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .iiq .erf .kdc .mef .mos .rwl"
FOREIGN = (
    Foreign(
        "HEIC image",
        (".heic", ".heics", ".heif", ".heifs", ".hif"),
        "to read such images, pip install pillow-heif",
        rb"....ftyp(?:hei[cxms]|hev[cxms]|(?:mif1|msf1)(?!.{0,80}avi[fs]))",
        format="HEIF",
        package="pillow_heif",
        register="register_heif_opener",
    ),
    Foreign(
        "AVIF image",
        (".avif", ".avifs"),
        "to read such images, pip install --upgrade pillow",
        rb"....ftyp(?:avi[fs]|(?:mif1|msf1).{0,80}avi[fs])",
        format="AVIF",
    ),
    Foreign(
        "JPEG XL image",
        (".jxl",),
        "to read such images, pip install pillow-jxl-plugin",
        rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        format="JXL",
        package="pillow_jxl",
    ),
    Foreign("camera raw file", tuple(RAW.split()), "develop such files to JPEG or PNG", rb"....ftypcrx |FUJIFILM|FOVb"),
    Foreign("DICOM image", (".dcm", ".dicom"), "save such images as PNG of 16 bits", rb".{128}DICM"),
    Foreign(
        "OpenEXR or Radiance image",
        (".exr", ".hdr"),
        "save such images as TIFF of floats",
        rb"v/1\x01|#\?(?:RADIANCE|RGBE)",
    ),
    Foreign("FITS image", (".fits", ".fit", ".fts"), "save such images as TIFF of floats", rb"SIMPLE  ="),
    Foreign("medical volume", (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd"), "save slices of such as PNG of 16 bits"),
    Foreign(
        "vector drawing",
        (".svg", ".svgz", ".eps", ".ps", ".ai", ".wmf", ".emf"),
        "draw such to PNG",
        rb"%!PS|%PDF|\xc5\xd0\xd3\xc6|\s*(?:<\?xml.*|<!--.*|<!DOCTYPE svg.*)?<svg\b",
    ),
    Foreign("layered drawing", (".xcf", ".kra", ".psb", ".ora"), "export such to PNG", rb"gimp xcf|8BPS\x00\x02"),
)


def suffix_of(name: str) -> str:
    """In lower case; empty for a name without one, such as one that ends in a number. '.nii.gz' is one suffix."""
    found = _SUFFIX.search(name[-20:].lower())
    return found.group() if found else ""


@cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that are read, the usual ones first; of those packages, too, that are installed."""
    from PIL import Image, features

    Image.init()
    for kind in FOREIGN:
        if kind.package and importlib.util.find_spec(kind.package):
            with contextlib.suppress(ImportError, OSError):  # one that is broken, as without its library
                package = importlib.import_module(kind.package)
                if kind.register:
                    getattr(package, kind.register)()
    usual = [name for name in USUAL if name in Image.OPEN and (name != "AVIF" or features.check("avif"))]
    # A format that looks at no first bytes would take whatever is damaged for its own.
    signed = [name for name, (_, accepts) in sorted(Image.OPEN.items()) if accepts and name not in (*USUAL, *NEVER)]
    return (*usual, *signed)


@cache
def formats_for(suffix: str) -> tuple[str, ...]:
    """The formats that a file with this suffix may have: any, but Targa, whose first bytes say nothing, by it."""
    return tuple(one for one in readable() if one != "TGA" or _suffixes().get(suffix) == "TGA")


@cache
def _suffixes() -> dict[str, str]:
    """Suffix: Pillow's format, of those that are read."""
    from PIL import Image

    formats = {*readable(), "MPO"}  # which opens as JPEG
    return {suffix: name for suffix, name in Image.registered_extensions().items() if name in formats}


def told_by_name(name: str) -> bool | Foreign | None:
    """Whether it is an image that is read (True), one that is not (Foreign), or none (False); None: its bytes tell."""
    return _told_by_suffix(suffix_of(name))


@cache
def _told_by_suffix(suffix: str) -> bool | Foreign | None:
    known = _suffixes().get(suffix)
    if known in (*USUAL, "MPO"):
        return True
    foreign = next((kind for kind in FOREIGN if suffix in kind.suffixes), None)
    return foreign or (None if known or not suffix else False)


def told_by_content(name: str, beginning: bytes) -> bool | Foreign:
    """The same by a file's first bytes."""
    from PIL import Image

    if len(beginning) < 16:
        return False
    known = _suffixes().get(suffix_of(name))
    if _SIGNATURES.match(beginning) or (known and Image.OPEN[known][1](beginning[:16])):
        return True
    kind = foreign_of(beginning)
    return kind.format in readable() or kind if kind else False


def foreign_of(beginning: bytes) -> Foreign | None:
    """The kind of image that begins so and is not read."""
    return next((kind for kind in FOREIGN if re.match(kind.begins, beginning, re.DOTALL)), None)
