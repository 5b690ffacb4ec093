"""Accounts and transfers between them."""

import itertools
import math
from fractions import Fraction

from money import show


class Account:
    def __init__(self, name, limit=0):
        self.name = name
        self.limit = limit
        self.booked = []
        """(day, number of the booking, cents, text) of each entry; both sides of a transfer have one number."""

    @property
    def entries(self):
        return [(day, cents, text) for day, _, cents, text in sorted(self.booked)]

    @property
    def balance(self):
        return sum(cents for _, _, cents, _ in self.booked)


class Ledger:
    def __init__(self):
        self.accounts = {}
        self.listeners = []
        self.numbers = itertools.count()

    def open(self, name, limit=0):
        """A new account, which may be overdrawn up to the limit."""
        if name in self.accounts:
            raise ValueError(f"{name} exists already")
        self.accounts[name] = Account(name, limit)
        return self.accounts[name]

    def deposit(self, name, cents, day):
        _check(cents)
        self._book(day, (name, cents, "deposit"))

    def transfer(self, source, target, cents, day):
        _check(cents)
        if source == target:
            raise ValueError("source and target are the same account")
        self._book(day, (source, -cents, f"to {target}"), (target, cents, f"from {source}"))

    def undo(self, name):
        """Takes back the last entry of an account, and its counterpart if it was a transfer."""
        account = self.accounts[name]
        if not account.booked:
            raise ValueError(f"{name} has no entries")
        last = max(number for _, number, _, _ in account.booked)
        for each in self.accounts.values():
            each.booked = [entry for entry in each.booked if entry[1] != last]

    def statement(self, name, first=None, last=None):
        """One line per entry from the first to the last day (both included), with the balance after it."""
        lines = []
        balance = 0
        for day, cents, text in self.accounts[name].entries:
            balance += cents
            if (first is None or day >= first) and (last is None or day <= last):
                lines.append(f"{day} {text}: {show(cents)} = {show(balance)}")
        return lines

    def interest(self, percent, day):
        """Pays interest on all positive balances, rounded half up to whole cents."""
        bookings = []
        for account in self.accounts.values():
            cents = math.floor(account.balance * Fraction(percent) / 100 + Fraction(1, 2))
            if account.balance > 0 and cents:
                bookings.append((account.name, cents, "interest"))
        for booking in bookings:
            self._enter(next(self.numbers), day, booking)
        self._tell(bookings)

    def on_booking(self, listener):
        """Calls the listener with (name, cents) of each booking; the same listener is registered once."""
        if listener not in self.listeners:
            self.listeners.append(listener)

    def _book(self, day, *bookings):
        for name, cents, _ in bookings:
            account = self.accounts[name]
            if cents < 0 and account.balance + cents < -account.limit:
                raise ValueError(f"{name} has only {show(account.balance)}")
        number = next(self.numbers)
        for booking in bookings:
            self._enter(number, day, booking)
        self._tell(bookings)

    def _enter(self, number, day, booking):
        name, cents, text = booking
        self.accounts[name].booked.append((day, number, cents, text))

    def _tell(self, bookings):
        for name, cents, _ in bookings:
            for listener in self.listeners:
                listener(name, cents)


def _check(cents):
    if cents <= 0:
        raise ValueError("an amount must be above 0")
