def rank(score: int, others: list[int]) -> int:
    higher = [other for other in others if other > score]
    return len(higher) + 1
