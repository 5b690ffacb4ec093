def discounted(price: int) -> int:
    if price < 1000:
        return price
    reduction = price // 10
    return price - reduction
