"""
Charts of groups, on matplotlib Axes; imported on request: `from frgroups import plot`.

Every function takes a Snapshot (or memberships) or the table of the same name, draws on `ax=` or on a figure of
its own, and returns the Axes. None calls `show()`. What is left out is said in the title.
"""

from __future__ import annotations

from frgroups.plot.bars import changes, sizes
from frgroups.plot.heatmap import overlap_heatmap
from frgroups.plot.upset import upset

__all__ = ["changes", "overlap_heatmap", "sizes", "upset"]

# So that doctest, which looks at this module, runs the examples of functions that stand in others.
__test__ = {"changes": changes, "overlap_heatmap": overlap_heatmap, "sizes": sizes, "upset": upset}
