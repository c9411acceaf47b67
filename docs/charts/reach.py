fg.plot.reach(snapshot, ["Loyalty club", "VIP", "VIP Gold", "B2B"])
