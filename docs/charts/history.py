fg.plot.history(snapshots, top=4)
