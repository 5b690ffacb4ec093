"""The routes of the bookmark manager."""

import sys
from typing import Any

from database import Database, DuplicateUrlError
from flask import Flask, request
from validators import bookmark_fields, whole_number
from werkzeug.exceptions import HTTPException


def create_app(database_path: str) -> Flask:
    app = Flask(__name__)
    database = Database(database_path)

    @app.post("/bookmarks")
    def add() -> Any:
        return as_json(database.add(**bookmark_fields(body(), complete=True))), 201

    @app.get("/bookmarks/<int:bookmark_id>")
    def get(bookmark_id: int) -> Any:
        return as_json(database.get(bookmark_id))

    @app.put("/bookmarks/<int:bookmark_id>")
    def update(bookmark_id: int) -> Any:
        database.get(bookmark_id)
        return as_json(database.update(bookmark_id, bookmark_fields(body(), complete=False)))

    @app.delete("/bookmarks/<int:bookmark_id>")
    def delete(bookmark_id: int) -> Any:
        database.delete(bookmark_id)
        return "", 204

    @app.get("/bookmarks")
    def search() -> Any:
        page = whole_number(request.args, "page", default=1, highest=sys.maxsize)
        per_page = whole_number(request.args, "per_page", default=20, highest=100)
        items, total = database.search(request.args.getlist("tag"), request.args.get("q", ""), page, per_page)
        counts = {"page": page, "per_page": per_page, "total": total, "pages": -(-total // per_page)}
        return {"items": [as_json(item) for item in items], **counts}

    @app.get("/tags")
    def tags() -> Any:
        return database.tag_counts()

    for kind, status in ((ValueError, 400), (KeyError, 404), (DuplicateUrlError, 409)):
        app.register_error_handler(kind, lambda error, status=status: ({"error": str(error)}, status))
    app.register_error_handler(HTTPException, lambda error: ({"error": error.description}, error.code))
    return app


def body() -> Any:
    return request.get_json(force=True)


def as_json(bookmark: Any) -> dict[str, Any]:
    return vars(bookmark)
