"""What the figures of bench/ rest on: that both ways train the same, and that operations are counted right."""

import importlib
import json
import subprocess
import sys

from bench import plain, quality, speed

import pytest
import torch
from conftest import HOME, SCRIPTS
from torch import nn

DIGITS = ["--dataset", "digits", "--device", "cpu"]


def bench(name, *arguments):
    done = subprocess.run(
        [sys.executable, str(HOME / "bench" / f"{name}.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done


class Steps:
    """Ends a run after so many steps."""

    def __init__(self, count):
        self.left = count

    def __call__(self):
        if not self.left:
            raise plain.Enough
        self.left -= 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_trains_the_plain_way(name, monkeypatch):
    line = speed.line_of(speed.LINES[name], "unused", [*DIGITS, "--batch-size", "20"])
    module = importlib.import_module(name)
    for attribute in ("descend", "Flatten", "Unflatten", "Dropout"):
        monkeypatch.setattr(module, attribute, getattr(module, attribute, None), raising=False)
    script, run = plain.start("plain", name, line)
    made, before = [], []

    def network(name, network):
        made.append(network)
        before.append([p.detach().clone() for p in network.parameters()])
        return plain.Plain.network(run, name, network)

    run.network = network
    plain.train(script, run, Steps(5))
    assert len(made) == 2
    for network, old in zip(made, before, strict=True):
        assert any(not torch.equal(p, q) for p, q in zip(network.parameters(), old, strict=True))
        assert all(p.dtype == torch.float32 and p.is_contiguous() for p in network.parameters())


def test_plain_images_are_those_of_the_set_in_minus_one_to_one(patterns):
    pixels = patterns(5, 8).transpose(0, 3, 1, 2)
    x, label = plain.Images(pixels, None)[3]
    assert label == 0
    torch.testing.assert_close(x, torch.from_numpy(pixels[3]).float() / 127.5 - 1)


def test_pairs_in_colour_are_tensors_too(patterns):
    x, _ = plain.Images(patterns(2, 8, 6).transpose(0, 3, 1, 2), None)[0]
    assert x.shape == (6, 8, 8)


def test_operations_are_those_of_the_products():
    with speed.operations() as counted:
        torch.ones(3, 4) @ torch.ones(4, 5)
    assert counted.total == 2 * 3 * 4 * 5


def test_operations_of_a_penalty_are_counted():
    layer, x = nn.Conv2d(2, 3, 3, bias=False), torch.randn(4, 2, 5, 5, requires_grad=True)
    one = 2 * 4 * 3 * 3 * 3 * (2 * 3 * 3)  # operations of the convolution, and of each of its gradients
    with speed.operations() as counted:
        (gradient,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    assert counted.total == 2 * one
    with speed.operations() as counted:
        gradient.square().sum().backward(inputs=list(layer.parameters()))
    assert counted.total in (one, 2 * one)  # torch may add the gradient by the output, needed or not


@pytest.mark.slow
def test_speed_writes_what_it_measured(tmp_path):
    line = [tmp_path / "out", "--scripts", "wgan", *DIGITS, "--rounds", 1, "--seconds", 0.2, "--batch-size", 20]
    done = bench("speed", *line)
    found = json.loads((tmp_path / "out" / "speed.json").read_text())
    row = found["scripts"]["wgan"]
    assert row["batch_size"] == 20 and row["images"] == 1618
    assert row["ratio"] == pytest.approx(row["ours"] / row["plain"])
    assert row["share"] == pytest.approx(row["ours"] * row["operations"] / row["rate"])
    assert row["seconds_an_epoch"] == pytest.approx(1618 / row["ours"])
    assert row["seconds_to_first_grid"] > 0.5 and row["peak_memory"] > 1e8
    text = (tmp_path / "out" / "speed.md").read_text()
    assert text in done.stdout and "| `wgan.py` | 20 of 8x8 |" in text
    assert found["machine"]["torch"] == torch.__version__


@pytest.mark.slow
def test_quality_scores_every_line_at_each_moment(tmp_path):
    line = [tmp_path / "out", "dcgan", *DIGITS, "--plain", "--ours", "1e-3 1e-3 0.5 --ema 0.9", "--at", "8s", "9s"]
    done = bench("quality", *line)
    rows = json.loads((tmp_path / "out" / "quality.json").read_text())["rows"]
    ways = ("plain 2e-4 2e-4 0.5", "ours 1e-3 1e-3 0.5 --ema 0.9")
    assert [(row["way"], row["seconds"]) for row in rows] == [(way, s) for way in ways for s in (8, 9)]
    for first, second in (rows[:2], rows[2:]):
        assert first["images"] < second["images"]
        assert 0 < first["frechet"] != second["frechet"] > 0
    assert (tmp_path / "out" / "quality.md").read_text() in done.stdout
    assert (tmp_path / "out" / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_a_script_that_ends_early_is_said(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["quality.py", str(tmp_path), "cgan", "--dataset", str(tmp_path / "none")])
    assert quality.main() == 1
    assert "cgan.py, ours: its process ended" in capfd.readouterr().err
