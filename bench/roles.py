"""The table of routes and roles in docs/agents.md, from what the routes say themselves.

python -m bench.roles            print it
python -m bench.roles --write    put it into the page; a test compares the two
"""

import sys
from pathlib import Path

from fastapi import FastAPI

from bench.matrix import ANYONE, ROLES, Route, routes
from broker import api
from broker.web import declared

PAGE = Path(__file__).parents[1] / "docs" / "agents.md"
BEGIN, END = "<!-- roles: python -m bench.roles --write -->\n", "<!-- end of roles -->\n"


def declared_routes() -> list[Route]:
    """Every route of the API; nothing is started for that."""
    app = FastAPI()
    for each in api.routers:
        app.include_router(each)
    declared.install(app, api.routers)
    return routes(app.openapi())


def table() -> str:
    """A line for each route, a column for each role."""
    head = f"| route | {' | '.join(ROLES)} |\n|---|{'---|' * len(ROLES)}\n"
    return head + "".join(map(_line, sorted(declared_routes(), key=lambda each: (each.path, each.method))))


def _line(route: Route) -> str:
    cells = ["anyone" if route.roles == (ANYONE,) else "yes" if each in route.roles else "" for each in ROLES]
    return f"| `{route.method} {route.path}` | {' | '.join(cells)} |\n"


def page(now: str) -> str:
    """The page ``now`` with the present table."""
    before, _, rest = now.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        PAGE.write_text(page(PAGE.read_text()))
    else:
        sys.stdout.write(table())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
