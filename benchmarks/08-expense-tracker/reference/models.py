"""What is kept; amounts are cents."""

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    id: int
    username: str
    password_hash: bytes


@dataclass(frozen=True)
class Expense:
    id: int
    amount: int
    category: str
    description: str
    date: str


@dataclass(frozen=True)
class Budget:
    category: str
    month: str
    amount: int
    version: int
