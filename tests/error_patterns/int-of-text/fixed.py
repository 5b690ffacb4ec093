from decimal import Decimal

print(Decimal("3.5"))
