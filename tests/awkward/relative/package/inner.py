question = "?"
