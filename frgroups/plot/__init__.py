"""
Charts of groups, on matplotlib Axes; imported on request: `from frgroups import plot`.

Every function takes a Snapshot (or memberships) or the table of the same name, draws on `ax=` or on a figure of
its own, and returns the Axes. None calls `show()`. What is left out is said in the title. `fg.describe` tells in
words what a chart of the same table shows. Signs that the font lacks are shown as □, with the uid of the group; a
font that has them can be added: ``matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans CJK JP"]``.
"""

from __future__ import annotations

from frgroups.plot.flow_chart import flow
from frgroups.plot.history_chart import history
from frgroups.plot.overlap_chart import overlap_heatmap
from frgroups.plot.profile_chart import profile
from frgroups.plot.reach_chart import campaign_reach, incremental_reach, reach
from frgroups.plot.sizes_chart import changes, sizes
from frgroups.plot.upset_chart import upset

__all__ = [
    "campaign_reach",
    "changes",
    "flow",
    "history",
    "incremental_reach",
    "overlap_heatmap",
    "profile",
    "reach",
    "sizes",
    "upset",
]

# So that doctest, which looks at this module, runs the examples of functions that stand in others.
__test__ = {name: globals()[name] for name in __all__}
