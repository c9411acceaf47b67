fg.plot.overlap_heatmap(snapshot, top=10)
