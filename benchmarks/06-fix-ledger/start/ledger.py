"""Accounts and transfers between them."""

from money import show


class Account:
    def __init__(self, name, limit=0):
        self.name = name
        self.limit = limit
        self.balance = 0
        self.entries = []


class Ledger:
    def __init__(self):
        self.accounts = {}
        self.listeners = []

    def open(self, name, limit=0):
        """A new account, which may be overdrawn up to the limit."""
        self.accounts[name] = Account(name, limit)
        return self.accounts[name]

    def deposit(self, name, cents, day):
        self._book(name, cents, day, "deposit")

    def transfer(self, source, target, cents, day):
        if cents < 0:
            raise ValueError("an amount must be above 0")
        self._book(source, -cents, day, f"to {target}")
        self._book(target, cents, day, f"from {source}")

    def undo(self, name):
        """Takes back the last entry of an account, and its counterpart if it was a transfer."""
        account = self.accounts[name]
        _, cents, text = account.entries.pop()
        account.balance -= cents
        for word in ("to ", "from "):
            if text.startswith(word):
                other = self.accounts[text.removeprefix(word)]
                other.entries.pop()
                other.balance += cents

    def statement(self, name, first=None, last=None):
        """One line per entry from the first to the last day (both included), with the balance after it."""
        lines = []
        balance = 0
        for day, cents, text in self.accounts[name].entries:
            if first and day < first or last and day >= last:
                continue
            balance += cents
            lines.append(f"{day} {text}: {show(cents)} = {show(balance)}")
        return lines

    def interest(self, percent, day):
        """Pays interest on all positive balances, rounded half up to whole cents."""
        for account in self.accounts.values():
            cents = int(account.balance * percent / 100)
            if cents > 0:
                self._book(account.name, cents, day, "interest")

    def on_booking(self, listener, seen=[]):
        """Calls the listener with (name, cents) of each booking; the same listener is registered once."""
        if listener not in seen:
            seen.append(listener)
            self.listeners.append(listener)

    def _book(self, name, cents, day, text):
        account = self.accounts[name]
        if account.balance + cents < account.limit:
            raise ValueError(f"{name} has only {show(account.balance)}")
        account.balance += cents
        account.entries.append((day, cents, text))
        for listener in self.listeners:
            listener(name, cents)
