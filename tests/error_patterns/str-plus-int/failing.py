print("total: " + 3)
