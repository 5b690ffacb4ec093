key, _, value = "name".partition("=")
print(key, value)
