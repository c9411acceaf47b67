profile = fg.group_profile(snapshot, "B2B", attributes=["has_email", "has_loyalty_id", "country_code"])
fg.plot.profile(profile)
