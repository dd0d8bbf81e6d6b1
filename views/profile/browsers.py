"""A browser in words, from what it says of itself: enough for its owner to recognise it."""

BROWSERS = (
    # the first that is found: most name the families that they wish to be taken for
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "un iPhone"),
    ("iPad", "un iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "un Mac"),
    ("Linux", "Linux"),
)


def browser_in_words(user_agent: str) -> str:
    """``Firefox sur Windows``; ``Navigateur inconnu`` when it says nothing that we know."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in SYSTEMS if mark in user_agent), None)
    if system is None:
        return browser or "Navigateur inconnu"
    return f"{browser or 'Navigateur inconnu'} sur {system}"
