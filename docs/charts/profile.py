profile = fg.group_profile(snapshot, "VIP", attributes=["country_code", "has_email", "default_store_name"])
fg.plot.profile(profile, top=10)
