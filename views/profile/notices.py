"""What a page says of what was just done on the one before."""

from idp.request import Request

PHOTO_KEPT = "photo-enregistree"
PHOTO_REMOVED = "photo-supprimee"
PASSWORD_CHANGED = "mot-de-passe-modifie"  # noqa: S105 - a notice's name
SESSION_CLOSED = "session-fermee"
SESSIONS_CLOSED = "sessions-fermees"

_WORDS = {
    PHOTO_KEPT: "Votre photo est enregistrée.",
    PHOTO_REMOVED: "Votre photo est supprimée.",
    PASSWORD_CHANGED: "Votre mot de passe est modifié. Vos autres sessions sont fermées.",
    SESSION_CLOSED: (
        "La session est fermée. Les applications qu'elle avait ouvertes sont prévenues."
    ),
    SESSIONS_CLOSED: (
        "Vos autres sessions sont fermées. Les applications qu'elles avaient ouvertes sont "
        "prévenues."
    ),
}


def notice(request: Request) -> str | None:
    """The sentence that the address names, if it is one of ours."""
    return _WORDS.get(request.GET.get("avis", ""))
