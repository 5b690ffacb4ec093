print(f"total: {3}")
