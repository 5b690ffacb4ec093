def fee(amount: int) -> int:
    percent = 3
    cents = amount * percent
    return cents // 100
