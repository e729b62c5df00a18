"""Which one is better? Scores runs against their data set's held-out images.

    python evaluate.py out/wgan out/lsgan
    python evaluate.py out/                      every run in the folder

Prints a table for all runs whose scores may be compared, and writes each run's into its scores.json. Fréchet distance
(Heusel et al. 2017), kernel distance (Bińkowski et al. 2018), precision and recall (Kynkäänniemi et al. 2019), density
and coverage (Naeem et al. 2020) are computed on the features of a small network that knows the data's classes, or
where there are none on principal components of pixels; class KL says how far the samples' classes are from the data's.
pix2pix.py's runs: L1, PSNR and SSIM of held-out pairs. ebgan.py's also: how well a linear classifier reads its
encoder's features. nearest.png shows samples, each beside the training images nearest to it.

Runs may still be training: the last checkpoint is scored, and nothing is locked.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

from common.console import guarded, say
from common.errors import FolderError, Refusal
from common.options import THREADS, Parser, name_or_path, thread_count, whole


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser("evaluate.py", __doc__, "python evaluate.py out/gan")
    parser.add_argument("runs", nargs="+", type=name_or_path, help="run folders, or folders with runs in them")
    parser.add_argument(
        "--samples", type=whole(2), help="images to generate (default: as many as are held out, at most 10,000)"
    )
    parser.add_argument(
        "--features",
        choices=("auto", "pca", "inception"),
        default="auto",
        help="what images are compared by: auto, as above; pca, of pixels; inception, as the FID that papers print",
    )
    parser.add_argument(
        "--split",
        choices=("held-out", "train"),
        default="held-out",
        help="the real images to compare with; the FID that papers print is mostly of the training images",
    )
    parser.add_argument(
        "--against",
        metavar="DATASET",
        type=name_or_path,
        help="compare with the images of another set, such as mnist, instead of the run's own",
    )
    parser.add_argument("--parzen", action="store_true", help="also the log-likelihood under a Parzen window")
    parser.add_argument("--seed", type=whole(0, 2**32), default=0, help="of the noise (default: 0)")
    parser.add_argument("--data-root", type=name_or_path, help="folder with the named sets")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=thread_count, help=THREADS)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(argv)


PAPERS = (
    "In the papers: 225 ± 2 (GAN, Goodfellow et al. 2014), 132 ± 1.8 (conditional, Mirza and Osindero 2014), of their"
    " fully connected networks with sigmoid outputs, trained on real-valued MNIST; their σ was chosen on validation"
    " digits taken from the training set. Here it is chosen on a tenth of the held-out images and the rest is scored,"
    " images are rounded to 8 bits, and the networks are each script's own."
)


class Scorer:
    """Scores runs one after the other; runs on the same data share what is computed of the real images."""

    def __init__(self, arguments: argparse.Namespace):
        from common.nn.device import resolve_device

        self._arguments = arguments
        self._device = resolve_device(arguments.device)
        self._sets: dict[str, Any] = {}
        self._evaluators: dict[int, tuple[Any, dict[str, float | None]]] = {}  # by the id of a set in `_sets`

    def score(self, folder: Path) -> None:
        """Scores the run and writes what it finds into its folder. Raises Refusal."""
        from common import models
        from common.pictures import files, grids
        from common.runs.folder import RunFolder
        from common.runs.names import NEAREST
        from common.runs.record import read_record
        from common.runs.scores import read_scores, write_scores
        from common.scoring import collapse, nearest, parzen, probe, terms

        began = time.monotonic()
        record = read_record(folder)
        G, step = models.load_generator_and_step(folder)
        G = G.to(self._device).eval()
        settings = models.settings_from(record, data_root=self._arguments.data_root)
        own = self._own(settings, record)
        real = self._against(settings, record, G) if self._arguments.against else own
        evaluator, reference = self._evaluator(settings, real)
        seed = self._arguments.seed
        scores = evaluator.score(G, seed)
        if "z" in G.takes:
            sheet = grids.grid(nearest.nearest_sheet(G, own.images, seed), columns=grids.COLUMNS + 1)
            RunFolder(folder).write(NEAREST, files.png(sheet))
            if self._arguments.parzen:
                scores |= parzen.parzen(G, real, seed)
        encoder = models.settings_of(record).encoder
        if encoder and real.labels is not None:
            try:
                D = models.load_network(folder, encoder)
            except FolderError as error:  # such as an earlier version's checkpoint
                say(f"{folder}: its {encoder} is not probed: {error}")
                D = None
            if D is not None:
                scores["probe"], scores["probe_pixels"] = probe.linear_probe(D.encoder, real)
        entry = {
            **evaluator.about,
            "scores": {name: value if _is_finite(value) else None for name, value in scores.items()},
            "reference": reference,
            "collapsed": collapse.collapse(scores, reference),
            "seed": seed,
            "step": step,
            "images": None if step is None else step * record["settings"]["batch_size"],
        }
        entries = terms.by_terms(read_scores(folder))
        entries.pop(terms.Terms.of(entry), None)  # what is newest stands last
        write_scores(folder, [*entries.values(), entry])
        say(f"{folder}: scored in {time.monotonic() - began:.0f} s")

    def _own(self, settings: Any, record: dict[str, Any]) -> Any:
        """The set that the run was trained on."""
        from common.data.loading import load_for

        dataset = record["dataset"]
        key = repr([dataset["fingerprint"], settings.image_size, str(settings.pairing(dataset["name"]))])
        if key not in self._sets:
            real = load_for(settings, dataset["name"], dataset.get("reading", 1))
            if real.fingerprint != dataset["fingerprint"]:
                say(
                    f"{real.name}: its training images are not those that the run was trained on; some that are held"
                    " out now may have been among them"
                )
            self._sets[key] = real
        return self._sets[key]

    def _against(self, settings: Any, record: dict[str, Any], G: Any) -> Any:
        """The set that --against names."""
        from common.scoring.evaluating import load_against, refuse_unfit

        key = repr(["against", settings.image_size, settings.skip_broken])
        if key not in self._sets:
            self._sets[key] = load_against(self._arguments.against, settings)
        refuse_unfit(self._sets[key], record["dataset"], G)
        return self._sets[key]

    def _evaluator(self, settings: Any, real: Any) -> tuple[Any, dict[str, float | None]]:
        from common.scoring.evaluating import evaluator_for

        if id(real) not in self._evaluators:
            a = self._arguments
            options = {"features": a.features, "split": a.split, "data_root": a.data_root, "device": self._device}
            evaluator = evaluator_for(settings, real, a.samples, **options)
            self._evaluators[id(real)] = evaluator, evaluator.reference()
        return self._evaluators[id(real)]


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def main(arguments: argparse.Namespace) -> int:
    """Scores all runs that can be scored and prints them; returns the first refusal's exit code, or 0."""
    from common.machine.load import Load

    load = Load()  # while torch is being imported

    from common.data.cache import point_caches_here
    from common.nn.threads import adapt
    from common.report.run import Run, names_of
    from common.report.tables import score_tables
    from common.runs.finding import find_runs
    from common.storage.platforms import keep_freed_memory

    keep_freed_memory()
    point_caches_here()
    adapt(arguments.threads, load, "evaluate.py")
    folders = find_runs(arguments.runs)
    scorer = Scorer(arguments)
    code, scored = 0, []
    for folder in folders:
        try:
            scorer.score(folder)
            scored.append(folder)
        except Refusal as refusal:
            say(f"evaluate.py: {refusal}")
            code = code or refusal.code
        except Exception as error:  # the others shall have their scores
            if arguments.debug:
                raise
            say(f"evaluate.py: {folder}: failed ({type(error).__name__}: {str(error)[:200]}); --debug shows where")
            code = code or 1
    runs = [Run.read(folder, name) for folder, name in zip(scored, names_of(scored), strict=True)]
    if runs:
        print(score_tables(runs))
    if arguments.parzen:
        print()
        for run in runs:
            newest = next(reversed(run.scores.values()), {"scores": {}})["scores"]
            if "parzen" in newest:
                width = newest["parzen_sigma"]
                print(f"{run.name}: Parzen {newest['parzen']:.1f} ± {newest['parzen_error']:.1f}, σ {width:.3f}")
        print(PAPERS)
    return code


if __name__ == "__main__":
    guarded("evaluate.py", parse, main)
