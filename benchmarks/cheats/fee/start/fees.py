def fee(amount):
    raise NotImplementedError
