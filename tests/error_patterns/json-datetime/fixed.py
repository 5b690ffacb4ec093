import json
from datetime import date

print(json.dumps({"due": date(2026, 1, 1).isoformat()}))
