"""Static files: held in memory, named by their content, cached for ever.

``/static/<digest>/<path>``: the digest is part of the address, so a new content has a new address
and a browser never asks twice for the same one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from gzip import compress
from hashlib import sha256
from pathlib import Path

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.path import AssetResolver
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp import logo
from idp.errors import ConfigurationError
from idp.request import Request
from idp.settings import Organization, Settings
from views import guide_pictures
from views.theme import style_sheet

FOLDER = Path(__file__).parent / "static"
NODE_MODULES = FOLDER.parent.parent / "node_modules"
VENDORED = {
    "css/bootstrap-grid.css": "bootstrap/dist/css/bootstrap-grid.min.css",
    "js/htmx.js": "htmx.org/dist/htmx.min.js",
}
"""What pages take from npm packages, by the path where we serve it."""

FOREVER = "public, max-age=31536000, immutable"
FOR_AN_HOUR = "public, max-age=3600"
OWN_MARK = "img/favicon.svg"

_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/vnd.microsoft.icon",
}
_TEXTS = {".css", ".js", ".svg"}
_SOURCE_MAP = re.compile(rb"\n?(?:/\*|//)# sourceMappingURL=[^\n]*")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent; ``packed`` is its gzip form, None where packing gains nothing."""

    content_type: str
    digest: str
    plain: bytes
    packed: bytes | None


class Assets:
    """Every static file by its path (``css/site.css``)."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._assets = {path: _asset(path, content) for path, content in files.items()}

    def get(self, path: str) -> Asset | None:
        """The file, or None when there is none of this path."""
        return self._assets.get(path)

    def url(self, path: str) -> str:
        """Where the file is served.

        Raises:
            KeyError: no such file: a template names it wrongly.
        """
        return f"/static/{self._assets[path].digest}/{path}"

    def packed_size(self, *suffixes: str) -> int:
        """Bytes over the wire of all files with these suffixes."""
        return sum(
            len(asset.packed or asset.plain)
            for path, asset in self._assets.items()
            if Path(path).suffix in suffixes
        )


def load(settings: Settings) -> Assets:
    """Read the files of this room and of the npm packages, the organisation's pictures and colours.

    The pictures of the guide pages as well, where there are some.

    Raises:
        ConfigurationError: a picture cannot be read or is of no known kind, the colour is none, or
            the packages were not installed.
    """
    files = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in FOLDER.rglob("*")
        if path.suffix in _TYPES
    }
    files |= {path: _vendored(source) for path, source in VENDORED.items()}
    files |= guide_pictures.read(settings.var)
    files["css/theme.css"] = style_sheet(settings.organization.color).encode()
    organization = settings.organization
    image = logo.load(organization)
    paths = pictures(organization)
    if image is not None:
        files[paths["logo"]] = image.content
    for name in ("logo_dark", "favicon"):
        spec: str = getattr(organization, name)
        if spec:
            files[paths[name]] = _picture(f"organization.{name}", spec)
    return Assets(files)


def pictures(organization: Organization) -> dict[str, str]:
    """The asset path of each picture of the organisation; ours for its favicon, else empty.

    Raises:
        ConfigurationError: a logo for dark pages alone.
    """
    if organization.logo_dark and not organization.logo:
        raise ConfigurationError("the setting organization.logo_dark needs organization.logo")
    return {
        "logo": _path_of("logo", organization.logo),
        "logo_dark": _path_of("logo-dark", organization.logo_dark),
        "favicon": _path_of("icon", organization.favicon) or "img/favicon.svg",
    }


def _path_of(name: str, spec: str) -> str:
    return f"img/{name}{Path(spec).suffix.lower()}" if spec else ""


def serve_logo(request: Request) -> Response:
    """The organisation's logo, or the product's own mark, at an address that stays."""
    path = pictures(request.configuration.organization)["logo"] or OWN_MARK
    asset = request.registry.views_assets.get(path)
    return _response(request, asset, FOR_AN_HOUR)


def serve(request: Request) -> Response:
    """A static file; an outdated digest gets today's content, which is then not kept."""
    asset = request.registry.views_assets.get("/".join(request.matchdict["path"]))
    if asset is None:
        raise HTTPNotFound
    current = request.matchdict["digest"] == asset.digest
    return _response(request, asset, FOREVER if current else "no-cache")


def _response(request: Request, asset: Asset, kept: str) -> Response:
    response = Response(
        body=asset.plain, content_type=asset.content_type, conditional_response=True
    )
    if asset.content_type.startswith("text/") or asset.content_type.endswith("xml"):
        response.charset = "UTF-8"
    if asset.packed and _reads_gzip(request):
        response.body = asset.packed
        response.content_encoding = "gzip"
    response.vary = ("Accept-Encoding",)
    response.headers["Cache-Control"] = kept
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _reads_gzip(request: Request) -> bool:
    """Whether the browser says that it does; who says nothing gets the plain file."""
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


def _asset(path: str, content: bytes) -> Asset:
    suffix = Path(path).suffix
    packed = compress(content, 9, mtime=0) if suffix in _TEXTS else None
    return Asset(_TYPES[suffix], sha256(content).hexdigest()[:16], content, packed)


def _vendored(source: str) -> bytes:
    try:
        content = (NODE_MODULES / source).read_bytes()
    except OSError:
        raise ConfigurationError(
            f"node_modules/{source} is missing: run deploy/setup.sh runtime"
        ) from None
    # Their maps are not served; a browser's tools would ask for them in vain.
    return _SOURCE_MAP.sub(b"", content)


def _picture(key: str, spec: str) -> bytes:
    """``spec`` is an absolute path or ``package:path``; ``key`` names the setting in an error."""
    if Path(spec).suffix.lower() not in _TYPES.keys() - {".css", ".js"}:
        raise ConfigurationError(f"the setting {key} must name an svg, png, jpg, webp or ico")
    try:
        return Path(AssetResolver(None).resolve(spec).abspath()).read_bytes()
    except (OSError, ValueError, ImportError):
        raise ConfigurationError(f"the setting {key} names no readable file") from None


def includeme(config: Configurator) -> None:
    """Read the files once and serve them."""
    config.registry.views_assets = load(config.registry.services.settings)
    for view, route in ((serve, "static"), (serve_logo, "logo")):
        config.add_view(
            view, route_name=route, request_method="GET", permission=NO_PERMISSION_REQUIRED
        )
