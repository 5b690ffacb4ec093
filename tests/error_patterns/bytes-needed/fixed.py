print(b"abc".replace("a".encode("utf-8"), b"b"))
