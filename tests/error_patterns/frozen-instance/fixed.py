from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Point:
    x: int


point = replace(Point(1), x=2)
