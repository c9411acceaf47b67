"""
Load, analyze, and safely change the customer groups of a Flow Retail tenant.

The usual workflow is to load a snapshot, analyze the groups, create a plan, review the plan, and apply it.

The public names are listed in `__init__.pyi` and imported on first use, so that `import frgroups` is fast.

Examples
--------
>>> import frgroups as fg
>>> snapshot = fg.sample_snapshot()
>>> fg.group_sizes(snapshot)[["name", "n_members"]].to_dict("list")
{'name': ['All members', 'Staff', 'VIP'], 'n_members': [250, 1, 2]}
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
