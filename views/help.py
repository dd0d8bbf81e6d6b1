"""The pages that help: the guides, whom to ask, and everything that there is to open."""

from collections.abc import Callable, Mapping

from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.request import Request
from views import guide_pictures

FOR_ALL = {
    "guide": "Guide utilisateur",
    "guide_referent": "Guide du référent administrateur",
    "contact": "Contact",
    "accessibility": "Accessibilité",
    "personal_data": "Données personnelles",
    "legal": "Mentions légales",
    "site_map": "Plan du site",
    "demo_mails": "Mails de la démonstration",
}
FOR_STRANGERS = {
    "sign_in": "Se connecter",
    "first_visit": "Première visite ?",
    "forgotten_password": "Mot de passe oublié ?",
}
FOR_PEOPLE = {
    "portal": "Mes applications",
    "ask_access": "Demander un accès",
    "report_problem": "Signaler un problème",
    "profile": "Mon profil",
    "accesses": "Mes accès",
    "confirmations": "Rattachements qui attendent ma réponse",
    "profile_photo": "Ma photo",
    "change_password": "Changer de mot de passe",
    "sessions": "Sessions ouvertes",
    "my_data": "Mes données",
    "sign_out": "Se déconnecter",
}
"""Pages by route, as the site map calls them; the suite sees that none is forgotten."""


Part = Callable[[Request], Mapping[str, str]]
"""Further pages by route, for whoever asks; none: the part is left out."""


def add_part(config: Configurator, heading: str, pages: Part) -> None:
    """A part of the site map that another room knows."""
    parts = getattr(config.registry, "views_site_map", ())
    config.registry.views_site_map = (*parts, (heading, pages))


def guide(request: Request) -> dict[str, object]:
    """What an agent has to know, from his first visit on."""
    settings = request.configuration
    return {
        "blocks": request.registry.views_texts["guide-utilisateur.txt"],
        "pictures": _pictures(request, guide_pictures.AGENT),
        "address": settings.public_url,
        "idle_minutes": int(settings.session_idle.total_seconds() // 60),
        "lifetime_hours": int(settings.session_lifetime.total_seconds() // 3600),
    }


def guide_referent(request: Request) -> dict[str, object]:
    """What a référent does in the directory, screen by screen."""
    return {
        "blocks": request.registry.views_texts["guide-referent.txt"],
        "pictures": _pictures(request, guide_pictures.REFERENT),
        "address": request.configuration.public_url,
    }


def _pictures(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """Where each picture is that was made, by its name."""
    assets = request.registry.views_assets
    paths = {name: guide_pictures.path_of(name) for name in names}
    return {name: assets.url(path) for name, path in paths.items() if assets.get(path)}


def contact(request: Request) -> dict[str, object]:
    """Whom to ask what; the person's own référents once he is signed in."""
    person = request.subject
    found = request.services.directory.referents(person.id) if person else ()
    return {"referents": found}


def help_failed(request: Request) -> dict[str, object]:
    """Where an application sends whom it could not let in (``errorURL``). [SAMLMeta] 2.4.3.

    What the application appends to the address is not read.
    """
    del request
    return {}


def site_map(request: Request) -> dict[str, object]:
    """The pages that this person may open, by the routes that exist."""
    own = FOR_PEOPLE if request.subject else FOR_STRANGERS
    others = getattr(request.registry, "views_site_map", ())
    parts = (
        ("Le portail", own),
        *((heading, pages(request)) for heading, pages in others),
        ("Aide et informations", FOR_ALL),
    )
    return {"groups": [(heading, _links(request, pages)) for heading, pages in parts if pages]}


def _links(request: Request, pages: Mapping[str, str]) -> list[tuple[str, str]]:
    routes = request.registry.introspector.get_category("routes")
    known = {route["introspectable"]["name"] for route in routes}
    return [(request.route_path(name), title) for name, title in pages.items() if name in known]


def includeme(config: Configurator) -> None:
    """Five public pages."""
    for view in (guide, guide_referent, contact, site_map, help_failed):
        config.add_view(
            view,
            route_name=view.__name__,
            request_method="GET",
            renderer=f"views:templates/{view.__name__}.jinja2",
            permission=NO_PERMISSION_REQUIRED,
        )
