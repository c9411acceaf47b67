"""
Charts of groups, drawn on matplotlib Axes. Import them with `from frgroups import plot`.

Each function takes a Snapshot (or memberships) or the table of the same name, draws on `ax=` or on a new figure, and
returns the Axes. No function calls `show()`. The title states what is left out. `fg.describe` describes the same
table in sentences.

Characters that the font does not contain are drawn as □, followed by the uid of the group. To draw them, add a font:
``matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans CJK JP"]``.
"""

from __future__ import annotations

from frgroups.plot.changes_chart import changes
from frgroups.plot.flow_chart import flow
from frgroups.plot.history_chart import history
from frgroups.plot.overlap_chart import overlap_heatmap
from frgroups.plot.profile_chart import profile
from frgroups.plot.reach_chart import campaign_reach, incremental_reach, reach
from frgroups.plot.sizes_chart import sizes
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

# Doctest runs the examples of imported functions only if they are listed in __test__.
__test__ = {name: globals()[name] for name in __all__}
