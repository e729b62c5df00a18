"""What is made of a tree of images: its splits, its classes, the files beside the images, and what is left out."""

import csv
import io
import json
import re
import shutil
from collections import Counter

from common.data import registry
from common.data.reading import Reading
from common.data.trees import image_names
from common.data.trees.classes import layout_of, layout_of_images
from common.data.trees.listing import listing
from common.data.trees.tree import tree_of
from common.data.words import is_nothing, split_of
from common.errors import DataError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def plant(tmp_path):
    """plant({"train/cat": 3, "test": ["a.png"]}, **files): a folder with that many different images in each folder.

    `files` are contents of further files by their names.
    """
    folder = tmp_path / "set"

    def make(images, files=()):
        seed = 0
        for place, names in images.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            for name in [f"{i:04d}.png" for i in range(names)] if isinstance(names, int) else names:
                seed += 1
                Image.new("RGB", (4, 4), (seed % 251, seed // 251, 7)).save(folder / place / name)
        for name, content in dict(files).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return make


def table(rows, header=("file", "label"), separator=","):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([*([header] if header else []), *rows])
    return text.getvalue()


def layout(folder, **options):
    return layout_of_images("--dataset set/", listing(folder), **options)


def counts(found):
    """Images by class, trained on and held out; by None where they have none."""
    return tuple(dict(Counter(found.class_of.get(name) for name in names)) for names in (found.train, found.held))


def folders_of(names):
    return {name.rpartition("/")[0] for name in names}


PETS = ({"cat": 3, "dog": 2}, {"cat": 1, "dog": 1})  # what `counts` says of the next two
TRAIN, TEST = {"cat": 3, "dog": 2}, {"cat": 1, "dog": 1}


def pets(train="train", test="test"):
    return {f"{train}/{one}": n for one, n in TRAIN.items()} | {f"{test}/{one}": n for one, n in TEST.items()}


# --- splits


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Training", "Testing"),
        ("TRAIN", "Valid"),
        ("training_set/training_set", "test_set/test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("asl_alphabet_train/asl_alphabet_train", "asl_alphabet_test/asl_alphabet_test"),
        ("train/images", "valid/images"),
        ("images/train", "images/val"),
        ("data/raw/Train", "data/raw/held-out"),
        ("train2017", "val2017"),
        ("test/train", "test/val"),  # somebody called the whole a test
        ("train/train", "train/test"),
        ("archive (1)/train_1", "archive (1)/eval"),
        ("trainval", "test"),
        ("Trainingsdaten", "Testdaten"),
        ("Trainingsbilder", "Validierung"),
        ("entrainement", "test"),
        ("entrenamiento", "prueba"),
        ("treino", "teste"),
    ],
)
def test_splits_are_found_whatever_they_are_called_and_wrapped_in(plant, train, test):
    assert counts(layout(plant(pets(train, test)))) == PETS


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("seg_train", ("train", "seg")),
        ("TrainingData", ("train", "")),
        ("testA", ("test", "A")),
        ("PublicTest", ("test", "Public")),
        ("t10k", ("test", "")),
        ("train_test_split", None),
        ("steam", None),
        ("contest", None),
    ],
)
def test_names_that_speak_of_a_split(name, found):
    assert split_of(name) == found


def test_a_split_that_is_not_called_plainly_is_said(plant):
    found = layout(plant(pets("Training", "seg_valid")))
    assert found.understood == ("trained on is Training/, held out is seg_valid/",)


def test_plain_splits_need_no_words(plant):
    found = layout(plant(pets()))
    assert (found.understood, found.left_out) == ((), ())


def test_of_val_and_test_the_test_images_are_held_out_and_the_others_left_out(plant):
    found = layout(plant(pets() | {"val/cat": 2, "val/dog": 2}))
    assert counts(found) == PETS and folders_of(found.held) == {"test/cat", "test/dog"}
    assert found.left_out == ("left out 4 images in val/, as test/ is held out (val/cat/0000.png, ...)",)


def test_a_split_without_classes_is_left_out_and_another_one_held_out(plant):
    found = layout(plant(pets(test="val") | {"test": 3}))
    assert counts(found) == PETS and folders_of(found.held) == {"val/cat", "val/dog"}
    assert found.left_out == ("left out 3 images in test/, which has no classes (test/0000.png, ...)",)


def test_where_the_only_other_split_has_no_classes_a_share_is_held_out(plant, capsys):
    data = registry.load(str(plant({"train/cat": 10, "train/dog": 10, "test": 5})))
    assert (len(data.images), len(data.held_out), data.classes) == (18, 2, ("cat", "dog"))
    assert "left out 5 images in test/, which has no classes" in capsys.readouterr().err


def test_images_beside_the_splits_are_counted_and_named(plant):
    found = layout(plant(pets("seg_train", "seg_test") | {"seg_pred": 4, ".": ["sheet.png"]}))
    assert counts(found) == PETS
    assert found.left_out == ("left out 5 images in no split (seg_pred/0000.png, ...)",)


def test_a_stray_image_hides_no_splits_further_down(plant):
    found = layout(plant(pets("data/train", "data/test") | {"docs": ["figure.png"]}))
    assert counts(found) == PETS and found.left_out == ("left out 1 image in no split (docs/figure.png)",)


def test_classes_may_have_splits_of_their_own(plant):
    found = layout(plant({"cat/train": 3, "cat/test": 1, "dog/train": 2, "dog/test": 1}))
    assert counts(found) == PETS
    assert found.understood == ("the splits are those in cat/ and in 1 more folder",)


def test_a_class_without_splits_beside_such_is_left_out(plant):
    found = layout(plant({"cat/train": 3, "cat/test": 1, "dog/train": 2, "bird": 2}))
    assert counts(found) == ({"cat": 3, "dog": 2}, {"cat": 1})
    assert found.left_out == ("left out 2 images in no split (bird/0000.png, ...)",)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (pets("art/train", "art/test") | pets("photo/train", "photo/test"), "art/ and photo/ have splits of their own"),
        ({f"fold{i}/{split}": 3 for i in range(3) for split in ("train", "test")}, "fold0/ and fold1/ have splits"),
        (
            {"cat": 20, "dog": 20, "misc/train": 3, "misc/test": 2},
            "only misc/ has test/ and train/, and most images lie",
        ),
        ({"test/cat": 3}, "has test/ but no images in train/; put those to train on there, or give test/ itself"),
        (
            {"cat": 5, "dog": 5, "val": 3},
            "has val/ but no images in train/.*call val/ otherwise if it is a class as cat/",
        ),
    ],
    ids=["the same classes in each", "folds", "a small part", "only test", "test beside classes"],
)
def test_splits_that_are_not_clear_are_refused(plant, images, said):
    with pytest.raises(DataError, match=f"^--dataset set/: {said}") as refusal:
        layout(plant(images))
    assert "\n" not in str(refusal.value)


def test_two_domains_become_classes(plant):
    found = layout(plant({"trainA": 3, "trainB": 2, "testA": 1, "testB": 1}))
    assert counts(found) == ({"A": 3, "B": 2}, {"A": 1, "B": 1})


def test_what_is_called_train_among_vehicles_is_a_class_and_that_is_said(plant):
    found = layout(plant({"bus": 3, "car": 3, "train": 3}))
    assert found.classes == ("bus", "car", "train") and len(found.train) == 9
    assert found.understood == ("train/ is taken for a class, as bus/ and car/ beside it are",)


def test_a_class_called_train_in_both_splits_is_one(plant):
    vehicles = ("bus", "car", "train")
    found = layout(plant({f"{split}/{one}": 2 for split in ("train", "test") for one in vehicles}))
    assert found.classes == vehicles and len(found.train) == len(found.held) == 6


@pytest.mark.parametrize("beside", ["train_masks", "extra", "new"])
def test_what_lies_beside_a_flat_train_folder_is_no_class(plant, beside):
    found = layout(plant({"train": 5, beside: 5}))
    assert found.classes == () and folders_of(found.train) == {"train"} and "5 images in no split" in found.left_out[0]


def test_valid_beside_invalid_is_a_class(plant):
    assert layout(plant({"valid": 3, "invalid": 3})).classes == ("invalid", "valid")


# --- classes


def test_classes_that_train_lacks_are_left_out_by_name(plant):
    found = layout(plant(pets() | {"test/wolf": 2}))
    assert counts(found) == PETS
    assert found.left_out == ("left out 2 images of classes that train/ lacks: wolf (test/wolf/0000.png, ...)",)


def test_the_same_classes_may_be_written_in_other_letters_and_with_noughts(plant):
    found = layout(plant({"train/Cat": 2, "train/7": 2, "test/CAT": 1, "test/00007": 1}))
    assert counts(found) == ({"Cat": 2, "7": 2}, {"Cat": 1, "7": 1}) and not found.left_out


UMLAUTS = "\u00c4pfel", "A\u0308pfel"  # as Windows and a Mac write them


def test_classes_with_umlauts_of_one_sign_and_of_two_are_the_same(plant):
    one, two = UMLAUTS
    found = layout(plant({f"train/{one}": 2, "train/b": 2, f"test/{two}": 1}))
    assert counts(found) == ({one: 2, "b": 2}, {one: 1})


def test_files_with_umlauts_of_one_sign_and_of_two_are_the_same(plant):
    one, two = UMLAUTS
    found = layout(plant({".": [f"{two}.png", "b.png"]}, {"labels.csv": table([(f"{one}.png", "x"), ("b", "y")])}))
    assert found.class_of == {f"{two}.png": "x", "b.png": "y"}


def test_one_class_in_train_is_held_out_of_several_in_test(plant):
    """As MVTec's sets of defects are laid out."""
    found = layout(plant({"bottle/train/good": 4, "bottle/test/good": 2, "bottle/test/broken": 3}))
    assert counts(found) == ({"good": 4}, {"good": 2})
    assert "classes that train/ lacks: broken" in found.left_out[0]


def test_a_few_images_beside_the_classes_are_left_out(plant):
    found = layout(plant({"cat": 20, "dog": 20, ".": ["preview.png"]}))
    assert found.classes == ("cat", "dog") and found.left_out == ("left out 1 image of no class (preview.png)",)


def test_where_many_lie_beside_them_folders_are_no_classes_and_that_is_said(plant):
    found = layout(plant({"cat": 3, "dog": 3, ".": 10}))
    assert found.classes == () and len(found.train) == 16
    assert found.understood == ("cat/ and dog/ are no classes: 10 images lie beside them",)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ({f"images_{i:03d}/images": 3 for i in range(3)}, "images_000/ to images_002/ are parts of the set"),
        ({f"part{i}": 3 for i in range(3)}, "part0/ to part2/ are parts of the set, not classes"),
        (
            {f"{i:05d}": [f"img{1000 * i + j:08d}.png" for j in range(3)] for i in range(3)},
            "00000/ to 00002/ are parts",
        ),
        ({f"{1000 * i:05d}": [f"{1000 * i + j:05d}.png" for j in range(3)] for i in range(3)}, "00000/ to 02000/ are"),
        ({f"{i:04d}": [f"{1000 * j + i}.png" for j in range(3)] for i in range(3)}, "0000/ to 0002/ are parts"),
        ({f"HAM10000_images_part_{i}": 3 for i in (1, 2)}, "HAM10000_images_part_1/ to HAM10000_images_part_2/ are"),
        ({f"DCIM/{i}APPLE": 3 for i in (100, 101)}, "100APPLE/ to 101APPLE/ are parts"),
        ({f"2024{i:02d}_a": 3 for i in (1, 12)}, "202401_a/ to 202412_a/ are parts"),
        ({f"person{i}": 1 for i in range(20)}, "the 20 folders are no classes: each has one image"),
    ],
    ids=[
        "numbered wrappers",
        "numbered parts",
        "StyleGAN's shards",
        "FFHQ's shards",
        "Danbooru's shards",
        "parts with a name",
        "a camera's folders",
        "a telephone's folders",
        "a folder an image",
    ],
)
def test_folders_that_only_part_a_set_are_no_classes_and_that_is_said(plant, images, said):
    found = layout(plant(images))
    assert found.classes == () and len(found.train) == sum(n if isinstance(n, int) else len(n) for n in images.values())
    (sentence,) = found.understood
    assert sentence.startswith(said)


def test_parts_of_classes_are_put_together(plant):
    assert counts(layout(plant(pets("part1", "part2")))) == ({"cat": 4, "dog": 3}, {})


@pytest.mark.parametrize(
    "titles",
    [[str(i) for i in range(10)], [f"{i:05d}" for i in range(10)], ["10023456", "10023457"], ["class_1", "class_2"]],
)
def test_folders_called_by_numbers_are_classes(plant, titles):
    assert layout(plant(dict.fromkeys(titles, 3))).classes == tuple(titles)


def test_folders_below_a_class_are_said_to_be_none(plant):
    found = layout(plant({f"{one}/{year}": 2 for one in ("cat", "dog") for year in (2019, 2020)}))
    assert found.classes == ("cat", "dog")
    said = "the folder 2019/ in it says nothing; where such are the classes, give cat/ itself"
    assert found.understood == (f"cat/2019/0000.png is of the class cat; {said}",)


def test_folders_that_may_hold_the_same_images_twice_are_no_classes(plant):
    images = {"images/images/dürer": 4, "images/images/goya": 4, "resized/resized": 8}
    with pytest.raises(DataError, match="images/ and resized/ may hold the same images twice; give one of them"):
        layout(plant(images))


def test_labels_of_images_in_such_folders_are_read_all_the_same(plant):
    names = [f"{folder}/{i:04d}.png" for folder in ("images", "photos") for i in range(4)]
    rows = [(name, ("cat", "dog")[i % 2]) for i, name in enumerate(names)]
    assert layout(plant({"images": 4, "photos": 4}, {"labels.csv": table(rows)})).classes == ("cat", "dog")


def test_runs_of_version_1_keep_a_single_folder_as_their_class(plant):
    folder = plant({"train/celeba": 3, "test/celeba": 2})
    assert layout(folder).classes == ()
    assert counts(layout(folder, version=1)) == ({"celeba": 3}, {"celeba": 2})
    data = registry.load(str(folder), Reading(version=1))
    assert data.classes == ("celeba",) and data.labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("images", [{".": 4}, {"photos": 4}, {"train": 3, "test": 2}, {"cat": 2, "dog": 2}, pets()])
def test_plain_sets_are_read_as_under_version_1(plant, images):
    folder = plant(images)
    assert layout(folder) == layout(folder, version=1)


# --- what is not to be trained on


def copied(folder, source, target):
    shutil.copytree(folder / source, folder / "copying")
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder / "copying", folder / target)


@pytest.mark.parametrize(
    ("source", "target"),
    [("chest", "chest/chest"), (".", "data"), ("chest", "CHEST")],
    ids=["in itself", "in a folder beside", "in other letters"],
)
def test_a_tree_that_is_packed_twice_is_read_once(plant, source, target):
    folder = plant(pets("chest/train", "chest/test"))
    copied(folder, source, target)
    found = layout(folder)
    assert counts(found) == PETS
    assert len(found.left_out) == 1 and "left out 7 images in " in found.left_out[0] and "copies" in found.left_out[0]


def test_folders_with_the_same_names_and_other_images_are_no_copies(plant):
    found = layout(plant({"cat": 3, "dog": 3, "cat/dog": 3}))
    assert len(found.train) == 9 and not found.left_out


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ({"images": 4, "masks": 4}, 4),
        ({"train/JPEGImages": 4, "train/SegmentationLabels": 4}, 4),
        ({"VOC2012/JPEGImages": 4, "VOC2012/SegmentationClass": 2, "VOC2012/SegmentationObject": 2}, 4),
        ({"jpg": 4, "segmim": 4}, 4),
        ({"birds/images/owl": 4, "birds/images/tit": 4, "segmentations/owl": 4, "segmentations/tit": 4}, 8),
        ({"images/train": 4, "images/val": 2, "masks/train": 4, "masks/val": 2}, 6),
        ({"benign": ["a (1).png", "a (1)_mask.png", "b.png", "b_mask_1.png"], "normal": ["c.png"]}, 2),
    ],
)
def test_masks_beside_images_are_left_out(plant, images, masks):
    found = layout(plant(images))
    assert found.left_out[0].startswith(f"left out {masks} images as masks of others")
    assert not [name for name in (*found.train, *found.held) if re.search("mask|Seg|seg", name)]


def test_masks_and_copies_beside_the_jpeg_of_the_same_name_are_left_out(plant):
    both = [f"{i}.{suffix}" for i in range(20) for suffix in ("jpg", "png")]
    found = layout(plant({"cat": both[:-1], "dog": [f"{i}.jpg" for i in range(5)]}))
    assert counts(found) == ({"cat": 20, "dog": 5}, {})
    assert found.left_out == ("left out 19 images as masks or copies of the JPEG of the same name (cat/0.png, ...)",)


def test_images_of_which_some_have_the_same_name_are_all_trained_on(plant):
    some = [f"{i}.jpg" for i in range(10)] + [f"{i}.png" for i in range(5, 15)]
    assert len(layout(plant({".": some})).train) == 20


def test_masks_alone_and_classes_that_are_called_so_are_images(plant):
    assert layout(plant({"data/hats": 3, "data/masks": 3})).classes == ("hats", "masks")
    shutil.rmtree(plant({}))
    assert len(layout(plant({"with_mask": 3, "without_mask": 3})).train) == 6
    shutil.rmtree(plant({}))
    assert len(layout(plant({"masks": 3})).train) == 3


@pytest.mark.parametrize(
    "name", [".git/a.png", "__MACOSX/._a.png", "cat/.ipynb_checkpoints/a.png", "Thumbs.db", "x/@eaDir/a.png"]
)
def test_what_systems_leave_behind_is_nothing(plant, name):
    assert is_nothing(name.split("/"))
    folder = plant({"cat": 3, "dog": 3}, {name: b"x"})
    assert set(listing(folder).files) == {f"{one}/{i:04d}.png" for one in ("cat", "dog") for i in range(3)}


def test_ordinary_names_are_something():
    assert not is_nothing(["..", ".", "cat", "a.b.png"])


# --- files beside the images

NAMES = [f"{i:04d}.png" for i in range(12)]
ROWS = [(name, ("cat", "dog")[i % 2]) for i, name in enumerate(NAMES)]
HALVES = ({"cat": 6, "dog": 6}, {})


@pytest.mark.parametrize(
    "files",
    [
        {"labels.csv": table(ROWS)},
        {"labels.csv": table(ROWS, header=None)},
        {"labels.csv": table([(name[:-4], one) for name, one in ROWS], ("id", "breed"))},
        {"Labels.CSV": table([(one, name) for name, one in ROWS], ("class", "image"))},
        {"train_labels.tsv": table(ROWS, separator="\t")},
        {"labels.csv": table(ROWS, separator=";").encode("utf-16")},
        {"labels.csv": table(ROWS).encode("utf-8-sig")},
        {"labels.csv": table([(f"/kaggle/input/pets/{name[:-3]}jpg", one) for name, one in ROWS])},
        {"labels.csv": table([(i, name, one) for i, (name, one) in enumerate(ROWS)], ("", "file", "what"))},
        {"labels.csv": table([(name, i, one) for i, (name, one) in enumerate(ROWS)], ("file", "price", "target"))},
        {
            "labels.csv": table(
                [(name, int(one == "dog"), one) for name, one in ROWS], ("file", "class_id", "class_name")
            )
        },
        {
            "labels.csv": table(
                [(name, float(one == "cat"), float(one == "dog")) for name, one in ROWS], ("", "cat", "dog")
            )
        },
        {"metadata.jsonl": "\n".join(json.dumps({"file_name": name, "label": one}) for name, one in ROWS)},
        {"labels.json": json.dumps(dict(ROWS))},
        {"train.csv": table(ROWS)},
        {"list.txt": "\n".join(map(" ".join, ROWS))},
    ],
    ids=lambda files: "",
)
def test_a_file_beside_the_images_says_their_classes(plant, files):
    folder = plant({".": NAMES}, files)
    found = layout(folder)
    assert counts(found) == HALVES and found.files == tuple(files) and not found.left_out
    (said,) = found.understood
    assert said.startswith("classes are ") and said.endswith(f" of {found.files[0]}")


def test_what_says_the_classes_is_not_passed_over(plant, capsys):
    data = registry.load(str(plant({".": NAMES}, {"labels.csv": table(ROWS)})))
    assert data.classes == ("cat", "dog") and "classes are column label of labels.csv" in data.understood
    assert capsys.readouterr().err == ""


def test_labels_follow_their_images(plant):
    folder = plant({".": NAMES}, {"labels.csv": table(reversed(ROWS))})
    assert layout(folder).class_of == dict(ROWS)


def test_names_in_latin_letters_and_quotes_are_read(plant):
    rows = [(name, ("Bär, groß", "Kuh")[i % 2]) for i, name in enumerate(NAMES)]
    assert layout(plant({".": NAMES}, {"labels.csv": table(rows).encode("latin-1")})).classes == ("Bär, groß", "Kuh")


def test_each_split_may_have_a_file_of_its_own(plant):
    def metadata(rows):
        return table(rows, ("file_name", "label"))

    files = {"train/metadata.csv": metadata(ROWS), "test/metadata.csv": metadata(ROWS[:4])}
    found = layout(plant({"train": NAMES, "test": NAMES[:4]}, files))
    assert counts(found) == ({"cat": 6, "dog": 6}, {"cat": 2, "dog": 2})


def test_one_file_names_the_images_of_both_splits_with_their_folders(plant):
    rows = [(f"{split}/{name}", one) for split in ("train", "test") for name, one in ROWS[:4]]
    found = layout(plant({"train": NAMES[:4], "test": NAMES[:4]}, {"metadata.csv": table(rows)}))
    assert counts(found) == ({"cat": 2, "dog": 2}, {"cat": 2, "dog": 2})


def test_a_name_that_may_be_either_of_two_images_is_refused(plant):
    folder = plant({"train": NAMES[:4], "test": NAMES[:4]}, {"labels.csv": table(ROWS[:4])})
    with pytest.raises(DataError, match=r"labels.csv names 0000.png, which may be test/0000.png or train/0000.png"):
        layout(folder)


def test_files_that_name_no_image_are_said_in_one_line(plant):
    """As Google Takeout has one in each album."""
    albums = {f"album {i}": 3 for i in range(5)}
    found = layout(plant(albums, {f"{album}/metadata.json": '{"title": "x", "date": "y"}' for album in albums}))
    assert len(found.classes) == 5 and found.files == ()
    first = ", ".join(f"album {i}/metadata.json" for i in range(3))
    assert found.understood == (f"no image is named in {first} and 2 more",)


def test_equal_names_in_very_many_folders_are_told_apart_by_these(plant, monkeypatch):
    """Without looking at each of them for each row."""
    compared = []
    real = image_names._ends_alike
    monkeypatch.setattr(image_names, "_ends_alike", lambda *of: compared.append(of) or real(*of))
    rows = [(f"id{i}/1.png", i % 2) for i in range(100)]
    found = layout(plant({f"set/id{i}": ["1.png"] for i in range(100)}, {"labels/labels.csv": table(rows)}))
    assert found.classes == ("0", "1") and len(found.train) == 100
    assert len(compared) <= 400


def test_a_test_set_without_labels_is_left_out_as_kaggle_has_it(plant):
    files = {"labels.csv": table([(name[:-4], one) for name, one in ROWS], ("id", "breed"))}
    files["sample_submission.csv"] = table([(f"t{i}", 0.5, 0.5) for i in range(5)], ("id", "cat", "dog"))
    found = layout(plant({"train": NAMES, "test": [f"t{i}.png" for i in range(5)]}, files))
    assert counts(found) == HALVES and "5 images in test/, which has no classes" in found.left_out[0]


@pytest.mark.parametrize(
    "files",
    [
        {
            "labels.csv": table(
                [(*row, ("train", "test")[i > 7]) for i, row in enumerate(ROWS)], ("file", "label", "split")
            )
        },
        {
            "faces.csv": table(
                [(*row, ("Training", "PublicTest")[i > 7]) for i, row in enumerate(ROWS)], ("f", "y", "Usage")
            )
        },
        {"train.csv": table(ROWS[:8]), "test.csv": table(ROWS[8:])},
    ],
    ids=["a column of splits", "of splits in other words", "a file a split"],
)
def test_files_say_the_splits_where_folders_do_not(plant, files):
    found = layout(plant({"images": NAMES}, files))
    assert counts(found) == ({"cat": 4, "dog": 4}, {"cat": 2, "dog": 2})
    assert found.understood[0].startswith("the splits are those of ")


def test_celebas_files_say_splits_and_no_classes(plant):
    files = {
        "list_eval_partition.csv": table([(name, i // 4) for i, name in enumerate(NAMES)], ("image_id", "partition")),
        "list_attr_celeba.csv": table(
            [(n, -1, (1, -1)[i % 2]) for i, n in enumerate(NAMES)], ("image_id", "Bald", "Young")
        ),
        "list_bbox_celeba.csv": table([(n, i, 2 * i) for i, n in enumerate(NAMES)], ("image_id", "x_1", "y_1")),
    }
    found = layout(plant({"img_align_celeba/img_align_celeba": NAMES}, files))
    assert counts(found) == ({None: 4}, {None: 4}) and found.left_out[0].startswith(
        "left out 4 images in the val split"
    )
    assert found.understood == (
        "the splits are those of list_eval_partition.csv",
        "list_attr_celeba.csv gives no classes: its columns Bald to Young give none or several to an image",
    )


def test_vocs_lists_of_what_shows_a_cat_give_no_classes(plant):
    rows = {"train": NAMES[:8], "val": NAMES[8:]}
    files = {f"ImageSets/Main/{split}.txt": "\n".join(name[:-4] for name in names) for split, names in rows.items()}
    for word in ("cat", "dog"):
        for split, names in rows.items():
            said = [f"{name[:-4]} {(1, -1)[(i + len(word)) % 2]:>2}" for i, name in enumerate(names)]
            files[f"ImageSets/Main/{word}_{split}.txt"] = "\n".join(said)
    found = layout(plant({"JPEGImages": NAMES}, files))
    assert found.classes == () and (len(found.train), len(found.held)) == (8, len(NAMES) - 8)
    said = "ImageSets/Main/cat_train.txt gives no classes: 1 and -1 say which images show one thing"
    assert said in found.understood


@pytest.mark.parametrize("nothing", ["", "nan", "NaN"])
def test_an_image_whose_label_is_empty_is_left_out(plant, nothing):
    rows = [(name, nothing if i == 2 else ("cat", "dog")[i % 2]) for i, name in enumerate(NAMES)]
    found = layout(plant({".": NAMES}, {"labels.csv": table(rows)}))
    assert found.classes == ("cat", "dog") and len(found.train) == len(NAMES) - 1


def test_labels_of_two_numbers_are_classes(plant):
    rows = [(name, (1, -1)[i % 2]) for i, name in enumerate(NAMES)]
    assert layout(plant({".": NAMES}, {"labels.csv": table(rows)})).classes == ("-1", "1")


def test_numbers_name_images_whose_names_have_zeros_before_them(plant):
    rows = [(i, ("cat", "dog")[i % 2]) for i in range(6)]
    found = layout(plant({"train": 6}, {"labels.csv": table(rows, ("id", "label"))}))
    assert found.class_of["train/0003.png"] == "dog" and counts(found)[0] == {"cat": 3, "dog": 3}
    exactly = layout(plant({"train": ["3.png"]}, {"labels.csv": table([*rows, ("3", "dog")], ("id", "label"))}))
    assert exactly.class_of["train/3.png"] == "dog" and "train/0003.png" not in exactly.class_of


def test_images_that_are_not_named_and_rows_without_an_image_are_counted(plant):
    found = layout(plant({".": NAMES}, {"labels.csv": table([*ROWS[:9], ("gone.png", "cat"), (NAMES[9], "")])}))
    assert len(found.train) == 9
    assert found.left_out == (
        "left out 3 images of no class (0009.png, ...)",
        "left out 1 row of labels.csv, for images that are not there (gone.png)",
    )


def test_labels_win_over_folders_and_other_tables_do_not(plant):
    images = {"a": NAMES[:6], "b": NAMES[6:]}
    assert layout(plant(images, {"results.csv": table(ROWS)})).classes == ("a", "b")
    assert layout(plant(images, {"labels.csv": table(ROWS)})).classes == ("cat", "dog")


def test_a_table_says_the_classes_of_a_split_whose_folders_do_not(plant):
    """As the German traffic signs come."""
    images = {f"Train/{i}": 3 for i in range(12)} | {"Test": NAMES}
    rows = [(30, f"Test/{name}", i) for i, name in enumerate(NAMES)]
    found = layout(plant(images, {"Test.csv": table(rows, ("Width", "Path", "ClassId"))}))
    assert len(found.classes) == 12 and counts(found)[1] == {str(i): 1 for i in range(12)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            table([(n, "red", i * 2) for i, n in enumerate(NAMES)], ("file", "colour", "price")),
            "it has no column of them",
        ),
        (table([(n, "ab"[i % 2], i % 3) for i, n in enumerate(NAMES)], ("file", "tint", "step")), "call it `label`"),
        (table([(n, i * 0.37) for i, n in enumerate(NAMES)], ("file", "age")), "age holds numbers that are not whole"),
        (
            table([(n, f"photo {i}") for i, n in enumerate(NAMES)], ("file", "text")),
            "text holds 12 different values in 12",
        ),
        (table([(n, ("a|b", "c")[i % 2]) for i, n in enumerate(NAMES)]), r"label holds several at once \(a\|b\)"),
        (table([(n, ("a,b", "a", "b")[i % 3]) for i, n in enumerate(NAMES)]), r"label holds several at once \(a,b\)"),
        (table([(n, i % 2, 1) for i, n in enumerate(NAMES)], ("file", "bald", "young")), "none or several to an image"),
        (table([*ROWS, (NAMES[0], "dog")]), r"it gives several to an image \(0000.png\)"),
        (table([(name, f"name {name}") for name in NAMES[:5]]), "it names 5 of 12 images, each of another class"),
    ],
)
def test_a_file_that_says_no_classes_is_named_with_the_reason(plant, content, said):
    found = layout(plant({".": NAMES}, {"labels.csv": content}))
    assert found.classes == () and len(found.train) == 12
    (sentence,) = found.understood
    assert sentence.startswith("labels.csv gives no classes: ")
    assert re.search(said, sentence), sentence


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("labels.csv", table(ROWS) + '0001.png,"cat\n', "line 14: unexpected end of data"),
        ("labels.csv", table(ROWS) + "0001.png\n", r"line 14 has 1 column and its first 2"),
        ("labels.csv", bytes(range(256)), "it is not text"),
        ("metadata.jsonl", '{"file_name": "0001.png", "label": 1}\n{"file_na', "line 2 is no JSON"),
        ("dataset.json", '{"labels": nul', "no JSON"),
        ("labels.json", "[" * 100_000, "no JSON"),
    ],
)
def test_a_damaged_file_of_labels_is_refused_in_one_line(plant, name, content, said):
    with pytest.raises(DataError, match=rf"^--dataset set/: {name} is damaged \(.*{said}.*\); repair or remove it$"):
        layout(plant({".": NAMES}, {name: content}))


def test_two_files_that_differ_are_refused(plant):
    files = {"labels.csv": table(ROWS), "metadata.csv": table([(name, "fox") for name in NAMES])}
    with pytest.raises(DataError, match=r"metadata.csv and another file give 0000.png different classes"):
        layout(plant({".": NAMES}, files))


def test_damage_in_tables_of_anything_does_no_harm(plant):
    files = {"notes.csv": 'a,"b\nc', "README.txt": "Photos,\nmine\n", "pixels.csv": ",".join(["0"] * 785)}
    found = layout(plant({".": NAMES}, files))
    assert (found.classes, found.files, len(found.train)) == ((), (), 12)


# --- StyleGAN's zips

SHARDS = {f"{i:05d}": [f"img{1000 * i + j:08d}.png" for j in range(4)] for i in range(3)}
IN_SHARDS = [f"{shard}/{name}" for shard, names in SHARDS.items() for name in names]


@pytest.mark.parametrize("wrapper", ["", "ffhq/"])
def test_stylegans_labels_are_classes_in_the_order_of_their_numbers(plant, wrapper):
    labels = [[name, i % 12] for i, name in enumerate(IN_SHARDS)]
    images = {f"{wrapper}{shard}": names for shard, names in SHARDS.items()}
    found = layout(plant(images, {f"{wrapper}dataset.json": json.dumps({"labels": labels})}))
    assert found.classes == tuple(map(str, range(12)))
    assert [found.class_of[name] for name in found.train] == [str(i) for i in range(12)]


def test_one_hot_labels_of_stylegan_are_classes(plant):
    labels = [[name, [float(i % 3 == k) for k in range(3)]] for i, name in enumerate(IN_SHARDS)]
    assert layout(plant(SHARDS, {"dataset.json": json.dumps({"labels": labels})})).classes == ("0", "1", "2")


def test_shards_without_labels_have_no_classes(plant):
    found = layout(plant(SHARDS, {"dataset.json": '{"labels": null}'}))
    assert found.classes == () and len(found.train) == 12


# --- of any tree

FOLDERS = ["train", "test", "Valid", "cat", "dog", "images", "masks", "part1", "part2", "seg_train", "trainB", "x"]
trees = st.sets(
    st.builds(
        lambda folders, name: "/".join([*folders, name]),
        st.lists(st.sampled_from(FOLDERS), max_size=4),
        st.sampled_from(["1.png", "2.png", "00001.png", "a_mask.png", "a.png"]),
    ),
    min_size=1,
    max_size=25,
)


@given(trees)
def test_every_image_is_in_one_split_or_outside(names):
    tree = tree_of(sorted(names))
    assert sorted([*(name for split in tree.splits.values() for name in split), *tree.outside]) == sorted(names)


@given(trees)
def test_every_image_is_trained_on_or_held_out_or_left_out_and_counted(names):
    try:
        found = layout_of("--dataset set/", sorted(names))
    except DataError:
        return
    assert found.train and not set(found.train) & set(found.held)
    counted = sum(int(said.split()[2].replace(",", "")) for said in found.left_out)
    assert len(found.train) + len(found.held) + counted == len(names)
    assert set(found.class_of) == ({*found.train, *found.held} if found.classes else set())
    assert set(found.class_of.values()) <= set(found.classes)


@given(trees, st.lists(st.sampled_from(["data", "photos (1)", "Kaggle", "archive"]), min_size=1, max_size=3))
def test_wrapping_a_tree_changes_nothing(names, wrappers):
    def read(prefix):
        try:
            found = layout_of("--dataset set/", sorted(prefix + name for name in names))
        except DataError:
            return None
        bare = [[name.removeprefix(prefix) for name in some] for some in (found.train, found.held)]
        return *bare, {name.removeprefix(prefix): one for name, one in found.class_of.items()}, found.classes

    assert read("/".join(wrappers) + "/") == read("")
