key, value = "name".split("=")
