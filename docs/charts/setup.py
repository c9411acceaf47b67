import pandas as pd

import frgroups as fg

sandbox = fg.Sandbox(customers=2000, groups=20, days_ago=90)
with sandbox, sandbox.client() as client:
    snapshots = [fg.load_snapshot(client, cache=False)]
    for _ in range(3):
        sandbox.advance(days=30)
        snapshots.append(fg.load_snapshot(client, cache=False))
before, snapshot = snapshots[0], snapshots[-1]
campaigns = pd.DataFrame(
    {
        "group": ["Loyalty club", "VIP", "VIP Gold", "Staff", "Norge"],
        "discount_percent": [5, 10, 15, 30, 8],
    }
)
