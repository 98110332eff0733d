"""Command line of the trainer: `python -m trainer train CONFIG`."""

from pathlib import Path

import torch
import typer

from trainer.checkpoints import load_averaged, load_weights, save_weights
from trainer.data import Pictures
from trainer.evaluate import Scorer, checkpoint_coder, evaluate, mean, shipped_coder
from trainer.export import export_analysis, export_model
from trainer.settings import read_settings
from trainer.train import Run

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
    if threads:
        torch.set_num_threads(threads)
    data = Pictures(pictures, run.parent / "cache" / "train.rgb")
    work = Run(run, read_settings(config), lpips, device)
    if start and work.step == 0:
        work.begin_from(load_weights(start))
    work.run(data, seconds)


@app.command()
def score(
    run: Path = typer.Option(Path("runs/core"), help="Folder of a run."),
    model: Path | None = typer.Option(
        None, help="A shipped model file instead (with its analysis file beside it)."
    ),
    pictures: Path = typer.Option(
        Path("../shared/data/images/eval_kodak"), help="Folder of evaluation pictures."
    ),
    lpips: Path = typer.Option(Path("../shared/data/lpips"), help="Folder of LPIPS weights."),
    bits_per_pixel: float = typer.Option(0.1, help="Rate."),
    mode: str = typer.Option("quantised", help="float or quantised, for a run."),
    peer: bool = typer.Option(True, help="Code with x264 intra at equal bits too."),
    count: int = typer.Option(0, help="Only the first pictures."),
    threads: int = typer.Option(0, help="CPU threads, 0 for all."),
) -> None:
    """Compare with x264 intra at equal bits, picture by picture."""
    if threads:
        torch.set_num_threads(threads)
    if model:
        coder = shipped_coder(model, model.with_suffix(".analysis.safetensors"))
    else:
        coder = checkpoint_coder(load_averaged(run / "checkpoint.pt"), mode)
    paths = sorted(pictures.glob("*.png"), key=lambda p: (len(p.stem), p.stem))
    rows = evaluate(coder, paths[: count or None], Scorer(lpips), bits_per_pixel, peer)
    print(
        "| picture | bit/pixel | LPIPS alex | squeeze | PSNR-Y | x264 bit/pixel | LPIPS alex | squeeze | PSNR-Y |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    means = (mean([r.ours for r in rows]), mean([r.peer for r in rows]))
    for name, *scores in [*((r.picture, r.ours, r.peer) for r in rows), ("mean", *means)]:
        cells = [
            f"{s.bits_per_pixel:.4f} | {s.lpips_alex:.4f} | {s.lpips_squeeze:.4f} | {s.psnr_y:.2f}"
            for s in scores
        ]
        print(f"| {name} | {' | '.join(cells)} |")


@app.command()
def export(
    run: Path = typer.Option(Path("runs/core"), help="Folder of a run."),
    out: Path = typer.Option(Path("refcodec/models/core.safetensors"), help="Model file to write."),
    weights: Path | None = typer.Option(
        None, help="Write the float16 weights too, to train on from."
    ),
) -> None:
    """Write the integer model file and, beside it, the analysis weights."""
    model = load_averaged(run / "checkpoint.pt")
    if weights:
        save_weights(model, weights)
    export_model(model, out)
    export_analysis(model, out.with_suffix(".analysis.safetensors"))


if __name__ == "__main__":
    app()
