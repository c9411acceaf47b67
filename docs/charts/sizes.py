fg.plot.sizes(snapshot, top=10)
