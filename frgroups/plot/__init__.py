"""
Charts of groups, drawn with matplotlib.

Import the charts with ``from frgroups import plot``. The data of a chart is either a Snapshot (or a table of
memberships) or the result of the corresponding analysis function. Charts are drawn on the Axes passed as `ax`, or on
a new figure, and the Axes are returned. No function calls `matplotlib.pyplot.show`. The title of a chart states how
many groups or values are omitted. `frgroups.describe` describes the same tables in sentences.

Colors and fonts follow `matplotlib.rcParams`, so that a style such as ``plt.style.use("dark_background")`` applies to
all charts. On small Axes, names are shortened, fonts are smaller, and fewer groups are drawn. A figure with
``layout="constrained"`` has the most space for labels.

Characters that the font does not contain are drawn as □, and the uid of the group is appended to its name. To draw
these characters, add a font: ``matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans CJK JP"]``.
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
from frgroups.plot.waterfall_chart import waterfall

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
    "waterfall",
]

# Doctest ignores imported functions unless they are listed in __test__.
__test__ = {name: globals()[name] for name in __all__}


def __dir__() -> list[str]:
    """Return the names of the charts, without the modules that contain them."""
    return list(__all__)
