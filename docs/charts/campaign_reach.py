fg.plot.campaign_reach(snapshot, campaigns)
