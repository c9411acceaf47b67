"""Create the pictures in the README with `python -m tests.pictures`. The review page requires Chromium."""

import tempfile
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

import frgroups as fg
from frgroups import plot
from tests import chromium

FOLDER = Path(__file__).parents[1] / "docs"


def draw_overlap(snapshot):
    """Draw the overlap of the ten largest groups in a size that is legible at a width of 620 pixels."""
    _, ax = plt.subplots(figsize=(6.2, 5.4), layout="constrained")
    plot.overlap_heatmap(snapshot, top=10, ax=ax)
    ax.figure.savefig(FOLDER / "overlap.png", dpi=200)


def photograph_review(snapshot):
    """Take a screenshot of the first screen of a review page."""
    audience = fg.members(snapshot, "VIP & loyalty - staff")
    joining = fg.members(snapshot, "loyalty - VIP - staff")[:85]
    plan = fg.plan_memberships(
        snapshot,
        {"black_week": audience, "VIP": [*snapshot["VIP"][12:], *joining]},
        create={"black_week": "Black Week"},
        mode="mirror",
        purpose="Black Week 2026",
    )
    with tempfile.TemporaryDirectory() as folder:
        page = fg.save_review(plan, Path(folder) / "review.html")
        with chromium.opened(page, width=1180, height=760) as browser:
            browser.picture(FOLDER / "review.png")


def main():
    with fg.Sandbox(customers=5000, groups=40) as sandbox, sandbox.client() as client:
        snapshot = fg.load_snapshot(client, cache=False, progress=False)
        draw_overlap(snapshot)
        photograph_review(snapshot)


if __name__ == "__main__":
    main()
