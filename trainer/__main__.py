"""Command line of the trainer: `python -m trainer train CONFIG`.

Commands import what they need when they run, so that `train` works where only torch, numpy and pillow are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import typer

from refcodec.torch_devices import check_device
from trainer.data import Pictures
from trainer.settings import read_settings
from trainer.train import Run

if TYPE_CHECKING:
    from trainer.evaluate import Score

MEASURE = Path("refcodec/models/measure.safetensors")

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def main() -> None:
    """Train, evaluate and export HYP generators."""


@app.command()
def train(
    config: Path,
    run: Path = typer.Option(
        Path("runs/core"), help="Folder of the run; an existing one is resumed."
    ),
    pictures: Path = typer.Option(
        Path("../shared/data/images/train"), help="Folder of training pictures."
    ),
    lpips: Path = typer.Option(
        Path("../shared/data/lpips/lpips_alex_v0.1.npz"), help="LPIPS weights."
    ),
    seconds: float = typer.Option(1e12, help="Stop and save after this many seconds."),
    threads: int = typer.Option(0, help="CPU threads, 0 for all."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
    start: Path | None = typer.Option(None, help="Weights to start a new run from."),
) -> None:
    """Train a generator; stop at any time, run again to resume."""
    check_device(device, "--device")
    if threads:
        torch.set_num_threads(threads)
    data = Pictures(pictures, run.parent / "cache" / "train.rgb")
    work = Run(run, read_settings(config), lpips, device)
    if start and work.step == 0:
        from trainer.checkpoints import load_weights

        work.begin_from(load_weights(start))
    work.run(data, seconds)


@app.command()
def score(
    run: Path = typer.Option(Path("runs/core"), help="Folder of a run."),
    model: Path | None = typer.Option(
        None, help="A shipped model file instead (with its analysis file beside it)."
    ),
    pictures: Path = typer.Option(
        Path("../shared/data/images/eval_kodak"),
        help="Folder of evaluation pictures (PNG), or of videos whose first pictures are taken.",
    ),
    lpips: Path = typer.Option(Path("../shared/data/lpips"), help="Folder of LPIPS weights."),
    bits_per_pixel: list[float] = typer.Option([0.1], help="Rates; may be given several times."),
    mode: str = typer.Option("quantised", help="float or quantised, for a run."),
    refine: int = typer.Option(
        0, help="Refine each prompt in so many steps, as hyp encode --refine does, for a model."
    ),
    peers: str = typer.Option("all", help="Some of x264,x265,svtav1, or all, or none."),
    count: int = typer.Option(0, help="Only the first pictures."),
    threads: int = typer.Option(0, help="CPU threads, 0 for all."),
) -> None:
    """Compare with intra pictures of other codecs at equal rates, picture by picture."""
    from trainer.checkpoints import load_averaged
    from trainer.evaluate import Scorer, checkpoint_coder, evaluate, mean, read_any, shipped_coder
    from trainer.still_peers import STILL_PEERS

    if threads:
        torch.set_num_threads(threads)
    refined = None
    if model:
        coder = shipped_coder(model)
        refined = shipped_coder(model, refine, lpips) if refine else None
    elif refine:
        raise typer.BadParameter("only prompts of a model file are refined: name it with --model")
    else:
        coder = checkpoint_coder(load_averaged(run / "checkpoint.pt"), mode)
    groups = {"none": [], "all": list(STILL_PEERS)}
    names = groups[peers] if peers in groups else peers.split(",")
    paths = sorted(
        (p for p in pictures.iterdir() if p.suffix in (".png", ".mp4", ".mkv", ".264")),
        key=lambda p: (len(p.stem), p.stem) if p.suffix == ".png" else (0, p.stem),
    )[: count or None]
    scorer = Scorer(lpips)
    for rate in bits_per_pixel:
        print(f"\nAt {rate:g} bit/pixel: LPIPS-alex / LPIPS-squeeze / PSNR-Y")
        print(f"| {' | '.join(('picture', 'bit/pixel', 'ours', *names))} |")
        print("|---" * (3 + len(names)) + "|")
        rows = []
        loaded = ((path.stem, read_any(path)) for path in paths)
        for row in evaluate(coder, loaded, scorer, rate, names, refined):
            rows.append(row)
            print(_line(row.picture, row.ours, [row.peers[n] for n in names]), flush=True)
        means = [mean([r.peers[n] for r in rows]) for n in names]
        ours = mean([r.ours for r in rows])
        print(_line("mean", ours, means))
        if names:
            best = min(m.lpips_alex for m in means)
            worst = max(rows, key=lambda r: r.ours.lpips_alex / r.best_peer)
            print(
                f"LPIPS-alex {100 * (1 - ours.lpips_alex / best):.1f} % below the best peer's mean; worst picture "
                f"{worst.picture}: {worst.ours.lpips_alex / worst.best_peer:.2f} times its best peer"
            )


def _line(name: str, ours: Score, peers: list[Score]) -> str:
    cells = [f"{s.lpips_alex:.4f} / {s.lpips_squeeze:.4f} / {s.psnr_y:.2f}" for s in (ours, *peers)]
    return f"| {name} | {ours.bits_per_pixel:.4f} | {' | '.join(cells)} |"


@app.command("fit-case")
def fit_case(
    source: Path = typer.Argument(help="The video that the file was made of."),
    coded: Path = typer.Argument(help="HYP file with generated keyframes."),
    case: Path = typer.Argument(help="Case to write (npz)."),
    segment: int = typer.Option(0, help="Which segment of the file.", min=0),
    start: float = typer.Option(
        0.0, help="Where in the source the file begins, in seconds.", min=0
    ),
    every: int = typer.Option(1, help="Keep every n-th picture; these can be targets.", min=1),
    coded_size: bool = typer.Option(
        False, help="Pictures in coded size, in place of those that are presented."
    ),
) -> None:
    """Store a segment of a HYP file and its source as a case that can be fitted elsewhere."""
    from trainer.fit import make_case

    make_case(source, coded, segment, start, every, presented=not coded_size).save(case)


@app.command()
def fit(
    case: Path = typer.Argument(help="Case that fit-case made."),
    model: Path | None = typer.Option(None, help="Model file; without it the one that ships."),
    lpips: Path | None = typer.Option(
        None,
        help="Folder of LPIPS weights; where none are found the encoder's own measure judges. "
        "[default: HYP_LPIPS, then ../shared/data/lpips]",
    ),
    steps: int = typer.Option(30, help="Steps of the round, of an interval of 4 s or more.", min=1),
    option: list[str] = typer.Option(
        [], metavar="NAME=VALUE", help="As hyp encode --fit-option, several times."
    ),
    device: str = typer.Option("cpu", help="cpu or cuda."),
) -> None:
    """Fit one round of a case and print costs, bits, seconds and memory."""
    from dataclasses import replace

    from refcodec.fitting.case import load_case
    from refcodec.fitting.settings import FitSettings
    from refcodec.generator import bundled, load_model
    from refcodec.metrics.lpips_weights import find_judges
    from trainer.fit import run_case

    settings = FitSettings(device=device).with_options(option, "--option")
    settings = replace(settings, steps=steps, lpips=find_judges(lpips))
    generator = load_model(model) if model else bundled(1, None)
    for name, value in run_case(load_case(case, generator), settings).items():
        print(f"{name} {value:.6g}")


@app.command()
def onnx(
    folder: Path = typer.Argument(help="Folder for hyper.onnx, context_a.onnx, ... stage2.onnx."),
    model: Path | None = typer.Option(None, help="Model file; without it the one that ships."),
) -> None:
    """Write the networks of a model file as ONNX models that give the same integers."""
    from trainer.onnx_files import write_onnx

    for path in write_onnx(folder, model):
        print(path)


@app.command()
def export(
    run: Path = typer.Option(Path("runs/core"), help="Folder of a run."),
    out: Path = typer.Option(Path("refcodec/models/core.safetensors"), help="Model file to write."),
    weights: Path | None = typer.Option(
        None, help="Write the float16 weights too, to train on from."
    ),
) -> None:
    """Write the integer model file and, beside it, the analysis weights."""
    from trainer.checkpoints import load_averaged, load_trade, save_weights
    from trainer.export import export_analysis, export_model

    model = load_averaged(run / "checkpoint.pt")
    if weights:
        save_weights(model, weights)
    export_model(model, out, out.stem)
    trade = load_trade(run / "checkpoint.pt")
    export_analysis(model, out.with_suffix(".analysis.safetensors"), trade)


@app.command()
def measure(
    pairs: Path = typer.Option(
        Path("runs/measure/pairs.npz"), help="Pairs to train on; made first where there are none."
    ),
    intervals: int = typer.Option(1000, help="Coded intervals to make pairs of, two of each."),
    pictures: Path = typer.Option(
        Path("../shared/data/images/train"), help="Folder of training pictures."
    ),
    lpips: Path = typer.Option(Path("../shared/data/lpips"), help="Folder of LPIPS weights."),
    start: Path = typer.Option(
        MEASURE, help="Weights to start from: a measure's or an analysis network's."
    ),
    out: Path = typer.Option(MEASURE, help="File to write."),
    steps: int = typer.Option(1500, help="Steps of 8 pairs."),
    seconds: float = typer.Option(1e12, help="End sooner, after this many seconds of training."),
    workers: int = typer.Option(2, help="Processes that make pairs, and threads that train."),
) -> None:
    """Train the measure by which the encoder decides, on encodes of training pictures and their LPIPS."""
    import numpy as np
    from rich.progress import track

    from refcodec.fitting.feature_distance import read_weights
    from trainer import measure as training
    from trainer.measure_pairs import Pairs, joined, make_pairs

    if not pairs.exists():
        pairs.parent.mkdir(parents=True, exist_ok=True)
        made = make_pairs(pictures, pairs.parent / "train.rgb", lpips, intervals, 1, workers)
        joined([pair for few in track(made, "Making pairs", intervals) for pair in few]).save(pairs)
    known = Pairs.load(pairs)
    settings = training.Training(steps=steps)
    network = training.begun(read_weights(start))
    last = np.arange(len(known.alex))[-training.held_back(known, settings) :]
    torch.set_num_threads(workers)
    print(f"before: {training.agreement(network, known, last)}")

    def report(step: int, loss: float, elapsed: float) -> None:
        if step % 50 == 0 or step == steps:
            print(f"step {step}: loss {loss:.4f}, {elapsed:.0f} s", flush=True)

    training.train(network, known, settings, report, seconds)
    print(f"after: {training.agreement(network, known, last)}")
    training.save(network, out)


@app.command()
def restoration(
    config: Path = typer.Argument(
        Path("trainer/configs/restoration_half.toml"), help="Settings of the training."
    ),
    pairs: Path | None = typer.Option(
        None,
        help="Pairs to train on; made first where there are none. "
        "[default: runs/restoration/CONFIG.npz]",
    ),
    intervals: int = typer.Option(600, help="Coded intervals to make pairs of, three of each."),
    pictures: Path = typer.Option(
        Path("../shared/data/images/train"), help="Folder of training pictures."
    ),
    lpips: Path = typer.Option(Path("../shared/data/lpips"), help="Folder of LPIPS weights."),
    out: Path | None = typer.Option(
        None, help="Model file to write. [default: refcodec/models/CONFIG.safetensors]"
    ),
    workers: int = typer.Option(1, help="Processes that make pairs, and threads that train."),
) -> None:
    """Train a restoration network on encodes of training pictures; the last tenth of them is measured only."""
    from rich.progress import track

    from refcodec.metrics.lpips_layers import NETS
    from refcodec.restoration import load_restoration
    from trainer import restoration as training
    from trainer.lpips import LPIPS
    from trainer.restoration_pairs import load_pairs, make_restoration_pairs, save_pairs

    pair_settings, settings = training.read_config(config)
    pairs = pairs or Path(f"runs/restoration/{config.stem}.npz")
    out = out or Path(f"refcodec/models/{config.stem}.safetensors")
    if not pairs.exists():
        cache = pairs.parent / "train.rgb"
        made = make_restoration_pairs(pictures, cache, intervals, pair_settings, workers)
        save_pairs([pair for few in track(made, "Making pairs", intervals) for pair in few], pairs)
    known = load_pairs(pairs)
    held_back = known[-max(1, len(known) // 10) :]
    nets = [LPIPS(lpips / f"lpips_{net}_v0.1.npz", net) for net in NETS]
    torch.manual_seed(settings.seed)
    torch.set_num_threads(workers)
    network = training.RestorationNetwork(settings.factor, settings.widths)

    def report(step: int, loss: float, elapsed: float) -> None:
        if step % 100 == 0 or step == settings.steps:
            print(f"step {step}: loss {loss:.4f}, {elapsed:.0f} s", flush=True)

    training.train(network, known[: -len(held_back)], nets, settings, report)
    print(training.export(network, out).hex())
    for gain, row in enumerate(training.scores(load_restoration(out), held_back, nets)):
        print(f"gain {gain}: " + ", ".join(f"{n} {d:.4f}" for n, d in zip(NETS, row, strict=True)))


if __name__ == "__main__":
    app()
