fg.plot.changes(before, snapshot, top=8)
