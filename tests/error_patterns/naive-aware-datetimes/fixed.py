from datetime import datetime, timezone

print(datetime.now(timezone.utc) > datetime(2026, 1, 1, tzinfo=timezone.utc))
