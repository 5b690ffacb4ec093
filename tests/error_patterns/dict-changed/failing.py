stock = {"a": 0, "b": 1}
for name in stock:
    if not stock[name]:
        del stock[name]
