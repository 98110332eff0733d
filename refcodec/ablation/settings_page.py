"""The page of a search for settings: what each change gave on each clip, for docs/results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from refcodec.ablation.markdown import table
from refcodec.ablation.running import Ablation
from refcodec.ablation.settings_search import JUDGES, PAYS, SearchRound, Tried
from refcodec.ablation.writing import versions
from refcodec.comparison.measures import MEASURES


def write_search(rounds: Sequence[SearchRound], plan: Ablation, folder: Path, command: str) -> Path:
    """Write `settings.md` into `folder`; return its path."""
    names = " and ".join(MEASURES[name].label for name in JUDGES)
    lines = [
        "# Settings of the encoder, one change at a time",
        "",
        f"Written by `{command}` on {date.today().isoformat()}; change the command, not this page.",
        "",
        f"First {plan.duration:g} s of each clip at {plan.bitrate / 1000:g} kbit/s, preset {plan.settings.preset}; all "
        "encodes of a clip have the coded size that it gets without changes. Each cell is the change of "
        f"{names} in the mean of the measured pictures, with the change as against without it; below zero it looks "
        f"better. What gains {100 * PAYS:g} % or more in the mean of both is taken, and the others are tried on top.",
        "",
        f"{versions()}.",
    ]
    for number, each in enumerate(rounds, 1):
        lines += ["", f"## Round {number}" + _on_top(each), "", *_table(each)]
    page = folder / "settings.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def _on_top(each: SearchRound) -> str:
    return ", on top of " + ", ".join(f"`{change}`" for change in each.taken) if each.taken else ""


def _table(found: SearchRound) -> list[str]:
    clips = list(dict.fromkeys(each.clip for each in found.tried))
    head = ["change", "mean", *clips]
    rows = []
    changes = dict.fromkeys(each.change for each in found.tried)
    for change in sorted(changes, key=found.mean_gain):
        cells = {each.clip: _cell(each) for each in found.tried if each.change == change}
        mean = f"{100 * found.mean_gain(change):+.1f} %"
        rows.append([f"`{change}`", mean, *(cells[clip] for clip in clips)])
    return table(head, rows)


def _cell(tried: Tried) -> str:
    parts = [
        f"{100 * (tried.after[name] / tried.before[name] - 1):+.1f}"
        for name in JUDGES
        if name in tried.before
    ]
    return " / ".join(parts) + " %"
