"""--augment: the operations on numbers worked out by hand, and what it changes of a run and what not."""

import copy
import importlib
import signal

import ebgan
from bench.chaos import differences
from common.nn import augment
from common.nn.augment import augmented, brightened, contrasted, cut_out, saturated, see_augmented, translated
from common.nn.device import place
from common.training import descend, scores_and_gradients
from common.training.stopping import Stopping

import pytest
import torch
from conftest import RATES, SCRIPTS
from test_loop import small, step
from torch import nn
from torch.optim import SGD

FROM_NOISE = [script for script in SCRIPTS if script != "pix2pix"]
DIGITS = ("--dataset", "digits", "--precision", "fp32")


def each(*values):
    """A number an image, as colours take them."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def counted(count, size=4, channels=1):
    """Images of 1, 2, 3, ..."""
    return torch.arange(1.0, 1 + count * channels * size**2).view(count, channels, size, size)


def some(count, size=8, channels=3):
    random = torch.Generator().manual_seed(0)
    x = torch.rand(count, channels, size, size, generator=random) * 2 - 1
    return x.contiguous(memory_format=torch.channels_last)


# --- the operations


def test_brightness_is_added_and_not_clipped():
    x = torch.tensor([[0.0, 0.75], [-1.0, 0.5]]).view(2, 1, 1, 2)
    assert brightened(x, each(0.5, -0.25)).flatten(1).tolist() == [[0.5, 1.25], [-1.25, 0.25]]


def test_saturation_scales_each_pixels_distance_from_its_gray():
    x = torch.tensor([[[0.0, 0.5], [0.25, 0.5], [0.5, 0.5]]]).repeat(3, 1, 1).unsqueeze(2)  # a colour, and a gray
    double, none, same = saturated(x, each(2, 0, 1)).squeeze(2)  # of gray 0.25: -0.25, 0, 0.25
    assert double.tolist() == [[-0.25, 0.5], [0.25, 0.5], [0.75, 0.5]]
    assert none.tolist() == [[0.25, 0.5]] * 3 and torch.equal(same, x[0].squeeze(1))


def test_saturation_leaves_gray_images_as_they_are():
    x = some(5, channels=1)
    assert torch.equal(saturated(x, each(0, 0.5, 1, 1.7, 2)), x)


def test_contrast_scales_the_distance_from_the_images_own_mean():
    x = torch.tensor([[[0.0, 1.0], [0.5, 0.5]], [[-1.0, -1.0], [0.0, 0.0]]]).unsqueeze(2)  # of means 0.5 and -0.5
    assert contrasted(x, each(0.5, 1.5)).flatten(1).tolist() == [[0.25, 0.75, 0.5, 0.5], [-1.25, -1.25, 0.25, 0.25]]


def test_translation_moves_down_and_right_and_fills_with_zeros():
    down, up_and_right, left = translated(counted(3, 3), torch.tensor([1, -1, 0]), torch.tensor([0, 2, -1]))
    assert down.squeeze().tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert up_and_right.squeeze().tolist() == [[0, 0, 13], [0, 0, 16], [0, 0, 0]]
    assert left.squeeze().tolist() == [[20, 21, 0], [23, 24, 0], [26, 27, 0]]


def test_translation_keeps_colours_together():
    x = some(2, 4)
    assert torch.equal(translated(x, torch.tensor([1, 0]), torch.tensor([2, 0]))[0, :, 1:, 2:], x[0, :, :-1, :-2])
    assert torch.equal(translated(x, torch.tensor([1, 0]), torch.tensor([2, 0]))[1], x[1])


def test_cutout_hides_a_square_of_half_the_size_as_far_as_it_is_inside():
    middle, corner, edge = cut_out(torch.ones(3, 2, 4, 4), torch.tensor([2, 0, 4]), torch.tensor([1, 0, 2]))
    assert middle[0].tolist() == [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1]]
    assert corner[1].tolist() == [[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert edge[0].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 1]]


def test_a_hole_of_odd_size_is_around_its_middle():
    (hole,) = 1 - cut_out(torch.ones(1, 1, 6, 6), torch.tensor([2]), torch.tensor([5]))[0]  # 3 x 3, of which 3 x 2
    assert hole.nonzero().tolist() == [[row, column] for row in (1, 2, 3) for column in (4, 5)]


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: brightened(x, each(0.3, -0.4).double()),
        lambda x: saturated(x, each(0.2, 1.9).double()),
        lambda x: contrasted(x, each(0.6, 1.4).double()),
        lambda x: translated(x, torch.tensor([1, 0]), torch.tensor([-2, 1])),
        lambda x: cut_out(x, torch.tensor([1, 4]), torch.tensor([2, 0])),
    ],
    ids=["brightness", "saturation", "contrast", "translation", "cutout"],
)
def test_gradients_are_those_of_finite_differences_twice(operation):
    x = some(2, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(operation, x)
    assert torch.autograd.gradgradcheck(lambda x: operation(x).square(), x)  # as penalties need it


# --- what is drawn


@pytest.fixture
def drawn(monkeypatch):
    """drawn(images): the arguments that `augmented` gives each operation."""

    def record(x):
        seen = {}
        with monkeypatch.context() as patch:
            for name in ("brightened", "saturated", "contrasted", "translated", "cut_out"):
                operation = getattr(augment, name)
                patch.setattr(
                    augment,
                    name,
                    lambda x, *by, name=name, operation=operation: (seen.update({name: by}), operation(x, *by))[1],
                )
            augmented(x)
        return seen

    return record


def test_ranges_are_those_of_the_authors_code_and_every_place_comes_up(drawn):
    torch.manual_seed(0)
    seen = drawn(torch.zeros(4000, 1, 28, 12))
    for name, least, most in (("brightened", -0.5, 0.5), ("saturated", 0, 2), ("contrasted", 0.5, 1.5)):
        (values,) = seen[name]
        assert values.shape == (4000, 1, 1, 1) and least <= values.min() and values.max() < most
        assert torch.histc(values, 4, least, most).min() > 800
    down, right = seen["translated"]  # an eighth of 28 and 12 pixels, halves upwards
    assert down.unique().tolist() == [*range(-4, 5)] and right.unique().tolist() == [-2, -1, 0, 1, 2]
    row, column = seen["cut_out"]
    assert row.unique().tolist() == [*range(29)] and column.unique().tolist() == [*range(13)]
    (row, column) = drawn(torch.zeros(1000, 1, 6, 6))["cut_out"]
    assert row.unique().tolist() == column.unique().tolist() == [*range(6)]  # a hole of 3: a pixel is its middle


def test_no_two_images_are_augmented_alike():
    x = some(1).expand(64, -1, -1, -1)
    assert len({one.numpy().tobytes() for one in augmented(x)}) == 64
    assert not torch.equal(augmented(x), augmented(x))


def test_the_random_numbers_are_the_runs_own():
    x = some(4)
    torch.manual_seed(3)
    first = augmented(x)
    torch.manual_seed(3)
    assert torch.equal(augmented(x), first)


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_channels_last_and_float32_whatever_comes_in(channels):
    for x in (some(4, channels=channels), some(4, channels=channels).contiguous(), some(4, 8, channels).bfloat16()):
        seen = augmented(x)
        assert seen.is_contiguous(memory_format=torch.channels_last)
        assert seen.dtype == torch.float32 and seen.shape == x.shape


def test_what_are_no_images_is_said():
    with pytest.raises(ValueError, match=r"only images \(N, C, H, W\) can be augmented, not \(5, 2\)"):
        augmented(torch.zeros(5, 2))


# --- a network that sees augmented images


def judge():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 1), nn.Flatten(0))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_only_in_training_mode(precision):
    torch.manual_seed(0)
    D, x = place(judge(), torch.device("cpu"), precision), some(4)
    plain, keys = D(x), [*D.state_dict()]
    assert see_augmented(D) is D and [*D.state_dict()] == keys
    assert not torch.equal(D(x), plain) and not torch.equal(D(x), D(x))
    assert torch.equal(D.eval()(x), plain) and torch.equal(copy.deepcopy(D)(x), plain)
    assert torch.equal(nn.Sequential(*D.train())(x), plain) == (precision == "fp32")  # its layers themselves


def test_further_inputs_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(augment, "augmented", lambda x: 2 * x)

    class Conditional(nn.Module):
        def forward(self, x, y):
            return x, y

    D, x, y = see_augmented(Conditional()), some(2), torch.tensor([1, 2])
    seen, classes = D(x, y)
    assert torch.equal(seen, 2 * x) and classes is y
    seen, classes = D(x, y=y)
    assert torch.equal(seen, 2 * x) and classes is y


def test_the_gradient_reaches_the_generator():
    torch.manual_seed(0)
    G, D = nn.Sequential(nn.Linear(5, 192), nn.Unflatten(1, (3, 8, 8))), see_augmented(judge())
    before = [parameter.detach().clone() for parameter in G.parameters()]
    descend(D(G(torch.randn(16, 5))).mean(), SGD(G.parameters(), 1.0))
    assert all((p != old).all() for p, old in zip(G.parameters(), before, strict=True))


def test_a_penalty_takes_the_gradient_by_the_image_that_is_not_augmented(monkeypatch):
    D, x = see_augmented(nn.Sequential(nn.Flatten(), nn.Linear(192, 1, bias=False), nn.Flatten(0))), some(2)
    monkeypatch.setattr(augment, "augmented", lambda x: 3 * x)
    _, gradients = scores_and_gradients(D, x)
    assert torch.allclose(gradients, 3 * D[1].weight.expand(2, -1))
    penalty = gradients.square().sum(1).mean()  # 9 |w|^2
    (by_w,) = torch.autograd.grad(penalty, D[1].weight)
    assert torch.allclose(by_w, 18 * D[1].weight)


def test_ebgan_compares_with_what_its_discriminator_saw():
    class Perfect(nn.Module):
        """Reconstructs whatever it sees."""

        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.factor * x, x.flatten(1), x

    G, D = nn.Sequential(nn.Linear(5, 64), nn.Unflatten(1, (1, 8, 8))), see_augmented(Perfect())
    z, x = torch.randn(6, 5), some(6, channels=1)
    found = ebgan.discriminator_step(D, G, SGD(D.parameters(), 1e-9), x, z, margin=1)
    assert found["real_energy"] == found["fake_energy"] == 0
    D.factor.data.fill_(1)
    assert ebgan.generator_step(D, G, SGD(G.parameters(), 1e-9), z, pt_weight=0)["g_loss"] == 0


# --- runs


def line_of(script, folder, *options):
    rates = RATES[script]
    return script, *rates, folder, *DIGITS, "--epochs", 1, "--batch-size", 128, *options


@pytest.mark.parametrize("script", FROM_NOISE)
def test_it_is_off_by_default_and_every_script_trains_with_it(start, tmp_path, script, monkeypatch):
    calls = []
    original = augment.augmented
    monkeypatch.setattr(augment, "augmented", lambda x: (calls.append(len(x)), original(x))[1])
    assert not importlib.import_module(script).Settings.augment
    assert start(*line_of(script, tmp_path / "without")).code == 0
    assert not calls
    done = start(*line_of(script, tmp_path / "with", "--augment"))
    assert done.code == 0, done.err
    penalised = {2 * 128 // 4} if script == "r3gan" else set()
    assert len(calls) >= 20 and set(calls) <= {128, 256} | penalised  # at least ten steps that look twice
    weights = [(tmp_path / name / "generator.safetensors").read_bytes() for name in ("without", "with")]
    assert weights[0] != weights[1]


@pytest.mark.parametrize("script", ["dcgan", "wgan_gp", "cgan"])
def test_a_resumed_run_ends_with_the_same_bytes(start, tmp_path, script, monkeypatch):
    whole, halved = (line_of(script, tmp_path / name, "--augment") for name in ("whole", "halved"))
    assert start(*whole).code == 0
    asked, looks = Stopping.signalled.fget, []

    def signalled(self):
        looks.append(1)
        return signal.SIGTERM if len(looks) == 7 else asked(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stopping, "signalled", property(signalled))
        assert start(*halved).code == 143
    assert start(*halved).code == 0
    assert differences(tmp_path / "whole", tmp_path / "halved") == []
    refused = start(*halved[:-1])
    assert refused.code == 0 and "finished already" in refused.err  # an option that is not given is as it was


def test_grids_and_sheets_show_images_as_they_are(launch, tmp_path):
    shown = []

    def main(run):
        G, opt = small(run)
        D = run.discriminator("D", nn.Identity())
        run.sheet("seen", lambda x, z: shown.append(torch.equal(D(x), x)) or D(x))
        for x in run.batches():
            assert not torch.equal(D(x), x)
            run.log(step(G, opt))

    assert launch(main, *RATES["gan"], tmp_path / "run", *DIGITS, "--epochs", 1, "--augment").code == 0
    assert shown and all(shown)


def test_other_networks_are_left_alone(launch, tmp_path):
    def main(run):
        G, opt = small(run)
        E, D = run.network("E", nn.Identity()), run.discriminator("D", nn.Identity())
        for x in run.batches():
            assert torch.equal(E(x), x) and not torch.equal(D(x), x)
            run.log(step(G, opt))

    assert launch(main, *RATES["gan"], tmp_path / "run", *DIGITS, "--epochs", 1, "--augment").code == 0


def test_a_script_that_does_not_say_what_judges_is_refused(launch, tmp_path):
    def main(run):
        G, opt = small(run)
        run.network("D", nn.Identity())
        for _ in run.batches():
            run.log(step(G, opt))

    line = (*RATES["gan"], tmp_path / "run", *DIGITS, "--epochs", 1)
    refused = launch(main, *line, "--augment")
    assert refused.code == 2 and "--augment: test_augment.py does not say which network" in refused.err
    assert not (tmp_path / "run").exists()
    assert launch(main, *line).code == 0
