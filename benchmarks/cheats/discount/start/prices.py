def discounted(price):
    raise NotImplementedError
