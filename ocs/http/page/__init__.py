"""The dashboard: static files without a build step, fed by the API."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline."""

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
} | {
    f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
    for name in ("page", "api", "parts", "live", "account", "actions", "find", "tariffs")
}


def routes() -> list[Route]:
    """A route for each file, read once."""
    return [_route(path, name, content_type) for path, (name, content_type) in FILES.items()]


def _route(path: str, name: str, content_type: str) -> Route:
    content = files(__name__).joinpath(name).read_bytes()
    headers = {
        "Content-Type": content_type,
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }

    async def serve(_: Request) -> Response:
        return Response(content, headers=headers)

    return Route(path, serve)
