import json

text = ""
print(json.loads(text) if text.strip() else [])
