fg.plot.upset(snapshot, ["Loyalty club", "VIP", "VIP Gold", "Norge", "Newsletter 2025"], top=12)
