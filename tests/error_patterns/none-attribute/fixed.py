import re

match = re.match("a", "b")
print(match.group() if match else "")
