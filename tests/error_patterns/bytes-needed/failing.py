print(b"abc".replace("a", "b"))
