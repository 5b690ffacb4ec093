from dataclasses import dataclass


@dataclass
class Task:
    name: str
    done: bool = False
