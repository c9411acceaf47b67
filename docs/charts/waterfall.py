audiences = {"Gold": "VIP Gold", "Silver": "VIP", "Bronze": "Loyalty club", "Newsletter": "Newsletter 2025"}
fg.plot.waterfall(snapshot, audiences, caps={"Bronze": 300}, order_by="created_at", exclude="Staff")
