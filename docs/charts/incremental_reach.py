fg.plot.incremental_reach(snapshot, top=6)
