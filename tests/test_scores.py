"""Scores equal direct computation on small sets; what may not be compared is kept apart."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from common import sampling
from common.data.dataset import Dataset
from common.data.named import download, sets
from common.data.pairing.pairs import Pairing
from common.data.reading import Reading
from common.data.registry import load
from common.errors import DataError, FolderError
from common.nn.pixels import floats
from common.options import Settings
from common.report import tables
from common.report.run import Run
from common.scoring import classifier, distances, features, inception
from common.scoring.collapse import collapse
from common.scoring.evaluating import evaluator_for
from common.scoring.evaluator import Evaluator
from common.scoring.nearest import nearest_sheet
from common.scoring.parzen import parzen, parzen_log_likelihood
from common.scoring.probe import linear_probe
from common.scoring.terms import Terms
from common.scoring.translations import PairEvaluator
from common.scoring.watch import LEAST, Watch

import numpy as np
import pytest
import torch
from conftest import HOME
from formats import write_mnist


def clouds(count, other, width=5, shift=0.4):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, width, generator=generator), torch.randn(other, width, generator=generator) + shift


def far(one, other):
    return np.sqrt(((one.numpy()[:, None] - other.numpy()[None]) ** 2).sum(2))


def test_frechet_distance_of_two_lines_by_hand():
    # In one dimension: (m - m')^2 + (s - s')^2, with s = sqrt(2) and 2 sqrt(2) of {0, 2} and {1, 5}.
    real, fake = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])
    real, fake = (torch.cat([x, torch.zeros(2, 1)], 1) for x in (real, fake))  # a flat second dimension
    assert distances.frechet_distance(real, fake) == pytest.approx((3 - 1) ** 2 + 2, rel=1e-6)


def test_frechet_distance_equals_numpy():
    real, fake = clouds(60, 50)
    fake = fake * torch.tensor([1, 2, 0.5, 1, 3])
    (m1, c1), (m2, c2) = ((x.double().numpy().mean(0), np.cov(x.double().numpy(), rowvar=False)) for x in (real, fake))
    values, vectors = np.linalg.eigh(c1)
    root = vectors @ np.diag(np.sqrt(values)) @ vectors.T  # tr (c1 c2)^1/2 = tr (r c2 r)^1/2, which is symmetric
    trace = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root)).sum()
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * trace
    assert distances.frechet_distance(real, fake) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_equals_numpy():
    real, fake = clouds(1000, 1000)  # a subset of 1,000 is then the whole, in another order

    def kernel(one, other):
        return (one.double().numpy() @ other.double().numpy().T / 5 + 1) ** 3

    within = sum((k.sum() - np.trace(k)) / (1000 * 999) for k in (kernel(real, real), kernel(fake, fake)))
    expected = within - 2 * kernel(real, fake).mean()
    assert distances.kernel_distance(real, fake) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_of_too_few_is_left_blank():
    assert distances.kernel_distance(*clouds(999, 1000)) is None


def test_precision_and_recall_equal_numpy():
    real, fake = clouds(40, 30, shift=1.5)

    def within(of, points):  # the share of the points that lie in a ball to the third nearest neighbour of one of `of`
        radii = np.sort(far(of, of), 1)[:, 3]
        return (far(points, of) <= radii).any(1).mean()

    precision, recall = distances.precision_recall(real, fake)
    assert (precision, recall) == pytest.approx((within(real, fake), within(fake, real)), abs=1e-6)
    assert 0 < precision != recall > 0


def test_density_and_coverage_equal_numpy():
    real, fake = clouds(40, 30, shift=1.0)
    radii = np.sort(far(real, real), 1)[:, 5]
    inside = far(real, fake) < radii[:, None]
    expected = inside.sum() / (5 * 30), inside.any(1).mean()
    assert distances.density_coverage(real, fake) == pytest.approx(expected, abs=1e-6)


def test_one_image_over_and_over_covers_next_to_nothing():
    real, _ = clouds(200, 1)
    density, coverage = distances.density_coverage(real, real[:1].repeat(200, 1))
    assert coverage < 0.1 < density


def test_kl_divergence_by_hand():
    found = distances.kl_divergence(np.array([0.5, 0.5, 0]), np.array([0.25, 0.5, 0.25]))
    assert found == pytest.approx(0.5 * math.log(2))
    assert distances.kl_divergence(np.array([1.0, 0]), np.array([0, 1.0])) == math.inf


def test_parzen_window_by_hand():
    # Two windows of width 1 at 0 and 2: the density at 1 is one normal's at distance 1.
    x, samples = torch.ones(1, 1).double(), torch.tensor([[0.0], [2.0]]).double()
    expected = -0.5 - 0.5 * math.log(2 * math.pi)
    assert parzen_log_likelihood(x, samples, 1.0).item() == pytest.approx(expected)


# --- features


def test_the_networks_that_come_with_the_project_are_what_the_docs_say():
    table = (HOME / "docs" / "results.md").read_text()
    for name, least in (("mnist", 0.98), ("fashion-mnist", 0.91), ("digits", 0.97)):
        file = features.SHIPPED / f"{name}.safetensors"
        _, about = classifier.read_network(file)
        assert file.stat().st_size < 1_000_000
        assert about["accuracy"] >= least
        assert about["sha256"] in table
        assert about["command"] == f"python bench/features.py {name}"


def test_the_digits_network_reads_held_out_digits():
    real = load("digits")
    network, about = classifier.read_network(features.SHIPPED / "digits.safetensors")
    assert classifier.accuracy_of(network, real) == pytest.approx(about["accuracy"], abs=0.01)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_networks_read_real_held_out_images(real_data, monkeypatch, name):
    monkeypatch.setenv("GAN_DATA", str(real_data))
    monkeypatch.setattr(download, "_fetch", lambda title, staging: "no network")
    try:
        real = load(name)
    except DataError:
        pytest.skip(f"{name} is not here")
    network, about = classifier.read_network(features.SHIPPED / f"{name}.safetensors")
    assert classifier.accuracy_of(network, real) == pytest.approx(about["accuracy"], abs=0.002)


def test_mnists_network_reads_the_digits_that_stand_in_for_mnist():
    real = load("mnist-5k")
    found = features.features_of(real)
    _, about = classifier.read_network(features.SHIPPED / "mnist.safetensors")
    assert (found.name, found.sha256) == ("the mnist network", about["sha256"])
    _, classes = found.read(real.held_out)
    assert (classes.numpy() == real.held_out_labels).mean() > 0.99


def test_mode_collapse_is_seen_on_the_digits_that_stand_in_for_mnist():
    real = load("mnist-5k")
    watch = Watch(real, 3, 0)
    healthy, collapsed = (watch.look(FromData(real, only=only), 64) for only in (None, [0, 1, 2]))
    assert all(healthy[name] > 0.8 for name in LEAST)
    assert collapsed["class_variety"] < LEAST["class_variety"]


def test_a_flipped_bit_in_a_network_is_found(tmp_path):
    content = bytearray((features.SHIPPED / "digits.safetensors").read_bytes())
    content[-100] ^= 1
    (tmp_path / "digits.safetensors").write_bytes(content)
    with pytest.raises(FolderError, match="SHA-256"):
        classifier.read_network(tmp_path / "digits.safetensors")


def squares_and_bars(count, seed):
    """Two classes that any classifier tells apart: (count, 16, 16, 1), labels."""
    random = np.random.default_rng(seed)
    images, labels = random.integers(0, 60, (count, 16, 16, 1), dtype=np.uint8), np.arange(count) % 2
    images[labels == 0, 4:12, 4:12] += 150
    images[labels == 1, :, 7:9] += 150
    return images, labels


def test_a_network_for_a_set_of_ones_own_is_trained_once(tmp_path, brief_classifier, capfd):
    images, labels = squares_and_bars(400, 0)
    np.savez(tmp_path / "own.npz", images=images, labels=labels)
    real = load(str(tmp_path / "own.npz"))
    before = torch.get_rng_state()
    first = features.features_of(real)
    assert torch.equal(before, torch.get_rng_state())
    assert first.accuracy > 0.95
    assert "training a classifier" in capfd.readouterr().err
    again = features.features_of(real)
    assert again.about == first.about
    assert "training" not in capfd.readouterr().err
    found, classes = again.read(real.held_out)
    assert found.shape == (len(real.held_out), classifier.WIDTH)
    assert (classes.numpy() == real.held_out_labels).mean() > 0.95


def test_without_labels_features_are_principal_components(tmp_path):
    images, _ = squares_and_bars(300, 0)
    np.savez(tmp_path / "own.npz", images=images)
    real = load(str(tmp_path / "own.npz"))
    one, other = features.features_of(real), features.features_of(real)
    assert one.name == "PCA of pixels (64)" and one.sha256 == other.sha256 and one.accuracy is None
    found, classes = one.read(real.held_out)
    assert classes is None and found.shape == (len(real.held_out), 64)
    assert torch.equal(found, other.read(real.held_out)[0])
    assert found.var(0)[0] > 10 * found.var(0)[20]  # the difference between squares and bars comes first


def test_stacked_digits_are_read_channel_by_channel(tmp_path, monkeypatch):
    write_mnist(tmp_path / "MNIST" / "raw")
    monkeypatch.setenv("GAN_DATA", str(tmp_path))
    monkeypatch.setattr(sets, "STACKED", ((200, 1), (100, 2)))
    real = load("stacked-mnist")
    found, classes = features.features_of(real).read(real.held_out)
    digits = features.features_of(load("mnist"))
    single = [digits.read(real.held_out[:, [channel]])[1] for channel in range(3)]
    assert torch.equal(classes, single[0] * 100 + single[1] * 10 + single[2])
    assert found.shape == (100, 3 * classifier.WIDTH)


def test_inception_without_weights_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(download, "_fetch", lambda title, staging: "no network")
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(DataError, match=r"weights-inception-.*put the file there"):
        features.features_of(load("digits"), "inception")


def test_inception_takes_weights_that_are_there_and_no_damaged_ones(monkeypatch, tmp_path):
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    with monkeypatch.context() as patched:  # random weights in place of 95 MB from the network
        patched.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: {})
        patched.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        weights = theirs.FeatureExtractorInceptionV3("random", ["2048"]).state_dict()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(weights, tmp_path / "random.pth")
    content = (tmp_path / "random.pth").read_bytes()
    name = f"weights-test-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    monkeypatch.setattr(inception, "INCEPTION", name)
    real = load("digits")
    found, classes = features.features_of(real, "inception").read(real.held_out[:3])
    assert found.shape == (3, 2048) and classes is None
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(DataError, match="damaged"):
        features.features_of(real, "inception")


def test_inception_runs_no_code_out_of_a_weights_file(monkeypatch, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path(tmp_path, "exploded").touch, ())

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"fc.bias": Bomb()}, tmp_path / "bomb.pth")
    content = (tmp_path / "bomb.pth").read_bytes()
    name = f"weights-test-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    monkeypatch.setattr(inception, "INCEPTION", name)
    with pytest.raises(DataError, match="damaged"):
        features.features_of(load("digits"), "inception")
    assert not (tmp_path / "exploded").exists()


# --- an evaluator


class FromData(torch.nn.Module):
    """A generator that gives real images, those of the classes `only`."""

    takes = ("z",)

    def __init__(self, real, only=None):
        super().__init__()
        self.z_dim, self.unused = 3, torch.nn.Parameter(torch.zeros(()))
        chosen = np.isin(real.labels, only) if only is not None else slice(None)
        self.images = floats(real.images[chosen])

    def forward(self, z):
        places = (z[:, 0].double() * 1e6).long().remainder(len(self.images))
        return self.images[places]


class OfAClass(torch.nn.Module):
    """A generator that gives a real image of the class it is asked for."""

    takes, z_dim, classes = ("z", "y"), 3, 10

    def __init__(self, real):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(()))
        self.kinds = [FromData(real, only=[c]) for c in range(self.classes)]

    def forward(self, z, y):
        return torch.cat([self.kinds[c](one) for c, one in zip(y.tolist(), z.split(1), strict=True)])


def test_real_images_score_as_the_reference_does():
    real = load("digits")
    evaluator = Evaluator(real)
    scores, reference = evaluator.score(FromData(real)), evaluator.reference()
    assert evaluator.count == len(real.held_out)
    assert scores["kernel"] is None  # 179 held-out images
    assert scores["coverage"] > 0.8 * reference["coverage"]
    assert scores["frechet"] < 2 * reference["frechet"]
    assert collapse(scores, reference) == ""
    # Of more samples than there are images to compare with, real images give no mark.
    assert Evaluator(real, samples=5000).reference() == {}


def test_three_classes_of_ten_are_seen_as_collapse():
    real = load("digits")
    evaluator = Evaluator(real, samples=500)
    scores = evaluator.score(FromData(real, only=[0, 1, 2]))
    assert scores["class_kl"] == pytest.approx(math.log(10 / 3), abs=0.15)
    assert scores["smallest_class"] < 0.01
    assert "a class has" in collapse(scores, evaluator.reference())


def test_a_generator_that_takes_classes_is_asked_for_them_and_scored_by_them():
    real = load("digits")
    scores = Evaluator(real).score(OfAClass(real))
    assert scores["as_asked"] > 0.95 and scores["worst_class_coverage"] > 0.5
    images, y = sampling.samples(OfAClass(real), 40, 1, real.labels)
    assert images.shape == (40, *real.shape) and torch.equal(y, sampling.classes(real.labels, 40, 1))
    sheet = nearest_sheet(OfAClass(real), real.images).unflatten(0, (8, 9))
    for c in range(8):  # one of each class in turn, and itself nearest to it
        assert any(torch.equal(sheet[c, 0], image) for image in FromData(real, only=[c]).images)
        assert torch.equal(sheet[c, 0], sheet[c, 2])
    assert Watch(real, 3, 0).look(OfAClass(real), 64)["class_variety"] > 0.8


def test_a_generator_is_given_what_it_says_it_takes():
    real = load("digits")
    G = FromData(real)
    G.classes = 10  # of its training, such as an auxiliary classifier's
    assert "as_asked" not in Evaluator(real).score(G)
    _, y = sampling.samples(G, 5, 0, real.labels)
    assert y is None
    assert Watch(real, 3, 0).look(G, 64)["variety"] > 0.5
    assert len(nearest_sheet(G, real.images)) == 8 * 9


def test_samples_are_a_windows_centres(monkeypatch):
    from common.scoring import parzen as module

    monkeypatch.setattr(module, "SAMPLES", 400)
    real = load("digits")
    one, other = parzen(FromData(real), real), parzen(FromData(real, only=[1]), real)
    assert one["parzen"] > other["parzen"] and one["parzen_error"] > 0 and 0.1 <= one["parzen_sigma"] <= 1


def test_the_evaluator_is_what_the_settings_say_of_pairs():
    @dataclass(frozen=True)
    class Translating(Settings):
        def pairing(self, dataset):
            return Pairing("edges" if dataset == "digits" else "gray", "BtoA")

    real, given = load("digits", Reading(image_size=32)), {"lr_g": 1, "lr_d": 1, "momentum": 0, "folder": ""}
    found = evaluator_for(Translating(**given), real, 20, features="pca")
    assert isinstance(found, PairEvaluator) and found.count == 20
    assert found.about["features"]["name"] == "pixels, edges BtoA"
    assert isinstance(evaluator_for(Settings(**given), real, 20, features="pca"), Evaluator)


def test_one_image_is_seen_as_collapse():
    real = load("digits")
    evaluator = Evaluator(real)
    G = FromData(real)
    G.images = G.images[:1]
    assert collapse(evaluator.score(G), evaluator.reference())


def test_scoring_leaves_the_random_generators_alone():
    real = load("digits")
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    Evaluator(real, samples=1000).score(FromData(real))
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpys, np.random.get_state()[1])


def test_a_copied_image_stands_first_beside_its_sample():
    real = load("digits")
    G = FromData(real)
    sheet = nearest_sheet(G, real.images)
    assert len(sheet) == 8 * 9
    rows = sheet.unflatten(0, (8, 9))
    assert torch.equal(rows[:, 0], rows[:, 2])  # a sample, a gap, its nearest
    first, seventh = ((rows[:, 0] - rows[:, place]).square().flatten(1).sum(1) for place in (3, 8))
    assert (first <= seventh).all()


def test_pairs_by_hand():
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 32, 32), dtype=np.uint8)
    real = Dataset("pairs", images, None, images, None, (), "")
    evaluator = PairEvaluator(real, Pairing("side by side", "AtoB"))
    x, y = (floats(images[:, part]) for part in (slice(0, 3), slice(3, 6)))
    assert torch.equal(evaluator._x, x) and torch.equal(evaluator._y, y)

    class Nearly(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.turn = torch.nn.Parameter(torch.zeros(())), -1

        def forward(self, x):
            self.turn += 1
            return y[self.turn : self.turn + 1] + 0.1

    scores = evaluator.score(Nearly())
    assert scores["held_out_l1"] == pytest.approx(0.1, rel=1e-4)
    assert scores["psnr"] == pytest.approx(10 * math.log10(2**2 / 0.1**2), rel=1e-4)
    assert scores["finds_own"] == 1
    assert 0.9 < scores["ssim"] < 1


def test_ssim_of_flat_images_by_hand():
    # Of constant images only the luminance term is left: (2ab + c1) / (a^2 + b^2 + c1), c1 = 0.01^2.
    flat = np.full((6, 2, 32, 32), 255, np.uint8)
    flat[:, 0] = 204
    real = Dataset("pairs", flat, None, flat, None, (), "")
    a, b, c = 204 / 255, 1.0, 0.01**2
    expected = (2 * a * b + c) / (a * a + b * b + c)
    evaluator = PairEvaluator(real, Pairing("side by side", "AtoB"))
    assert evaluator.reference()["ssim"] == pytest.approx(expected, rel=1e-3)


def test_a_probe_of_a_perfect_code_beats_pixels():
    real = load("digits")
    labels = {image.tobytes(): label for image, label in zip(real.images, real.labels, strict=True)}
    labels |= {image.tobytes(): label for image, label in zip(real.held_out, real.held_out_labels, strict=True)}

    def encode(images):
        pixels = ((images + 1) * 127.5).round().to(torch.uint8).numpy()
        return torch.nn.functional.one_hot(torch.tensor([labels[image.tobytes()] for image in pixels]), 10).float()

    code, pixels = linear_probe(encode, real)
    assert code == 1 > pixels > 0.9


# --- what may be compared


def entry(samples=100, sha256="a" * 64, split="b" * 64, **scores):
    return {
        "samples": samples,
        "features": {"name": "a network", "sha256": sha256, "accuracy": 0.9},
        "split": {"dataset": "/x/set.npz", "split": "held-out", "images": 100, "sha256": split},
        "scores": scores,
        "reference": {},
        "step": 5,
        "images": 320,
    }


def run_of(name, *entries, seed=0, script="gan", state="finished"):
    resolved = {"device": "cpu", "precision": "fp32", "threads": 2, "versions": {"torch": "2"}, "state": state}
    dataset = {"fingerprint": "f", "name": "set"}
    record = {"script": script, "settings": {"seed": seed}, "dataset": dataset, "steps": 5, **resolved}
    return Run(None, name, record, [], {Terms.of(one): one for one in entries})


@pytest.mark.parametrize("other", [{"samples": 200}, {"sha256": "c" * 64}, {"split": "c" * 64}])
def test_scores_that_differ_in_terms_never_share_a_table(other):
    text = tables.score_tables(
        [run_of("first", entry(frechet=1.0)), run_of("second", entry(frechet=2.0, **other), script="b")]
    )
    first, second = text.split("\n\n")
    assert "first" in first and "second" not in first and "second" in second


def test_runs_that_differ_by_their_seed_are_one_line_with_mean_and_spread():
    runs = [run_of(f"r{seed}", entry(frechet=value), seed=seed) for seed, value in enumerate((10.0, 12.0, 14.0))]
    text = tables.score_tables([*runs, run_of("other", entry(frechet=1.0), script="b")])
    assert "r0 (×3 seeds)" in text and "12.00 ± 2.00" in text
    assert "r1" not in text and "other" in text


def test_copies_and_unfinished_runs_are_not_folded():
    runs = [run_of("a"), run_of("copy"), run_of("b", seed=1), run_of("c", seed=2, state="running")]
    assert [[run.name for run in group] for group in tables.fold(runs)] == [["a", "b"], ["copy"], ["c"]]


def test_a_blank_score_is_a_dash():
    assert "–" in tables.score_tables([run_of("one", entry(frechet=1.0, kernel=None))])


# --- drawing


def test_more_samples_begin_with_the_same():
    assert torch.equal(sampling.latents(700, 7, 3)[:3], sampling.latents(3, 7, 3))
    assert not torch.equal(sampling.latents(3, 7, 4), sampling.latents(3, 7, 3))


def test_terms_survive_json():
    one = entry(frechet=1.0)
    assert Terms.of(json.loads(json.dumps(one))) == Terms.of(one)
