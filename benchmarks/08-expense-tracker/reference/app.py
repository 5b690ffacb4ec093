"""The routes of the expense tracker."""

import csv
import io
from dataclasses import asdict, replace
from typing import Any

import validators as valid
from auth import AuthError, bearer, check_password, hashed, make_token, read_token
from database import ConflictError, Store, create_tables, transaction
from flask import Flask, Response, g, request
from models import Budget, Expense
from werkzeug.exceptions import HTTPException

LOGIN = {"username": valid.username, "password": valid.password}
EXPENSE = {"amount": valid.number(1), "category": valid.text, "date": valid.past_day}
DESCRIPTION = {"description": valid.description}
OPEN = ("register", "login", "refresh", None)


def create_app(database_path: str, secret: str) -> Flask:
    app = Flask(__name__)
    create_tables(database_path)

    @app.before_request
    def authenticate() -> None:
        if request.endpoint in OPEN:
            return
        claims = read_token(bearer(request.headers.get("Authorization", "")), "access", secret)
        with transaction(database_path) as store:
            if not store.has_user(claims["sub"]):
                raise AuthError("unknown user")
        g.user = int(claims["sub"])

    @app.post("/register")
    def register() -> Any:
        given = valid.fields(request.get_json(force=True), LOGIN, {})
        with transaction(database_path) as store:
            return {
                "id": store.add_user(given["username"], hashed(given["password"])),
                "username": given["username"],
            }, 201

    @app.post("/login")
    def login() -> Any:
        given = valid.fields(request.get_json(force=True), {"username": valid.text, "password": valid.text}, {})
        with transaction(database_path) as store:
            user = store.user(given["username"])
        check_password(given["password"], user and user.password_hash)
        return tokens(user.id)

    @app.post("/refresh")
    def refresh() -> Any:
        given = valid.fields(request.get_json(force=True), {"refresh_token": valid.text}, {})
        claims = read_token(given["refresh_token"], "refresh", secret)
        try:
            with transaction(database_path) as store:
                store.use_token(given["refresh_token"])
        except ConflictError as error:
            raise AuthError("this refresh token was used before") from error
        return tokens(int(claims["sub"]))

    @app.post("/categories")
    def add_category() -> Any:
        name = valid.fields(request.get_json(force=True), {"name": valid.category_name}, {})["name"]
        with transaction(database_path) as store:
            return {"id": store.add_category(g.user, name), "name": name}, 201

    @app.get("/categories")
    def categories() -> Any:
        with transaction(database_path) as store:
            return [{"id": number, "name": name} for name, number in store.categories(g.user).items()]

    @app.post("/expenses")
    def add_expense() -> Any:
        given = {"description": "", **valid.fields(request.get_json(force=True), EXPENSE, DESCRIPTION)}
        with transaction(database_path) as store:
            number = store.add_expense(**with_category_id(store, given))
            return with_warning(store, store.expense(g.user, number)), 201

    @app.get("/expenses/<int:number>")
    def expense(number: int) -> Any:
        with transaction(database_path) as store:
            return asdict(store.expense(g.user, number))

    @app.put("/expenses/<int:number>")
    def change_expense(number: int) -> Any:
        with transaction(database_path) as store:
            old = store.expense(g.user, number)
            given = valid.fields(request.get_json(force=True), {}, EXPENSE | DESCRIPTION)
            if not given:
                raise ValueError("nothing to change")
            new = replace(old, **given)
            store.change_expense(number, **with_category_id(store, {k: v for k, v in asdict(new).items() if k != "id"}))
            return with_warning(store, new)

    @app.delete("/expenses/<int:number>")
    def delete_expense(number: int) -> Any:
        with transaction(database_path) as store:
            store.delete_expense(g.user, number)
        return "", 204

    @app.get("/expenses")
    def expenses() -> Any:
        return [asdict(each) for each in chosen()]

    @app.get("/expenses.csv")
    def expenses_csv() -> Any:
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(["id", "date", "category", "amount", "description"])
        for each in reversed(chosen()):
            quote = "'" if each.description.startswith(("=", "+", "-", "@")) else ""
            writer.writerow([each.id, each.date, each.category, each.amount, quote + each.description])
        return Response(file.getvalue(), mimetype="text/csv")

    @app.put("/budgets/<category>/<month>")
    def set_budget(category: str, month: str) -> Any:
        optional = {"amount": valid.number(0), "add": valid.number(-(2**53)), "version": valid.number(0)}
        given = valid.fields(request.get_json(force=True), {}, optional)
        if ("amount" in given) == ("add" in given):
            raise ValueError("either amount or add is needed")
        with transaction(database_path) as store:
            number = store.category_id(g.user, category)
            old = store.budget(g.user, category, valid.month(month)) or Budget(category, month, 0, 0)
            if given.get("version", old.version) != old.version:
                raise ConflictError(f"the version is {old.version}")
            amount = valid.number(0)(given["amount"] if "amount" in given else old.amount + given["add"])
            store.set_budget(number, month, amount, old.version + 1)
        return asdict(replace(old, amount=amount, version=old.version + 1))

    @app.get("/budgets/<category>/<month>")
    def budget(category: str, month: str) -> Any:
        with transaction(database_path) as store:
            found = store.budget(g.user, category, valid.month(month))
        if found is None:
            raise KeyError(category)
        return asdict(found)

    @app.get("/summary/<month>")
    def summary(month: str) -> Any:
        valid.month(month)
        with transaction(database_path) as store:
            lines = {name: line_of(store, name, month) for name in store.categories(g.user)}
        told = {name: line for name, line in lines.items() if line["spent"] or line["budget"] is not None}
        return {"month": month, "total": sum(line["spent"] for line in told.values()), "categories": told}

    def tokens(user: int) -> dict[str, str]:
        return {f"{kind}_token": make_token(user, kind, secret) for kind in ("access", "refresh")}

    def chosen() -> list[Expense]:
        first, last = (
            valid.day(request.args.get(name, other)) for name, other in (("from", "0001-01-01"), ("to", "9999-12-31"))
        )
        with transaction(database_path) as store:
            return store.expenses(g.user, first, last, request.args.get("category"))

    for kind, status in ((ValueError, 400), (AuthError, 401), (KeyError, 404), (ConflictError, 409)):
        app.register_error_handler(kind, lambda error, status=status: ({"error": str(error)}, status))
    app.register_error_handler(HTTPException, lambda error: ({"error": error.description}, error.code))
    return app


def with_category_id(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    categories = store.categories(g.user)
    if given["category"] not in categories:
        raise ValueError(f"unknown category {given['category']!r}")
    return {**given, "category": categories[given["category"]]}


def with_warning(store: Store, expense: Expense) -> dict[str, Any]:
    month = expense.date[:7]
    line = line_of(store, expense.category, month)
    over = line["budget"] is not None and line["remaining"] < 0
    warning = {"category": expense.category, "month": month, "budget": line["budget"], "spent": line["spent"]}
    return {**asdict(expense), "warning": warning if over else None}


def line_of(store: Store, category: str, month: str) -> dict[str, Any]:
    spent = sum(each.amount for each in store.expenses(g.user, f"{month}-01", f"{month}-31", category))
    budget = store.budget(g.user, category, month)
    if budget is None:
        return {"spent": spent, "budget": None, "remaining": None}
    return {"spent": spent, "budget": budget.amount, "remaining": budget.amount - spent}
