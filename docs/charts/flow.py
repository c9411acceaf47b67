fg.plot.flow(before, snapshot, priority=["VIP Gold", "VIP", "Loyalty club"])
