"""Command line of the trainer: `python -m trainer train CONFIG`."""

from pathlib import Path

import torch
import typer

from trainer.data import Pictures
from trainer.settings import read_settings
from trainer.train import Run

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def main() -> None:
    """Train, evaluate and export HYP generators."""


@app.command()
def train(
    config: Path,
    run: Path = typer.Option(Path("runs/core"), help="Folder of the run; an existing one is resumed."),
    pictures: Path = typer.Option(Path("../shared/data/images/train"), help="Folder of training pictures."),
    lpips: Path = typer.Option(Path("../shared/data/lpips/lpips_alex_v0.1.npz"), help="LPIPS weights."),
    seconds: float = typer.Option(1e12, help="Stop and save after this many seconds."),
    threads: int = typer.Option(0, help="CPU threads, 0 for all."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
) -> None:
    """Train a generator; stop at any time, run again to resume."""
    if threads:
        torch.set_num_threads(threads)
    data = Pictures(pictures, run.parent / "cache" / "train.rgb")
    Run(run, read_settings(config), lpips, device).run(data, seconds)


if __name__ == "__main__":
    app()
