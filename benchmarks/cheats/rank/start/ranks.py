def rank(score, others):
    raise NotImplementedError
