stock = {"a": 0, "b": 1}
for name in list(stock):
    if not stock[name]:
        del stock[name]
