from dataclasses import dataclass


@dataclass
class Task:
    done: bool = False
    name: str
