"""Telephone numbers as they are dialled, made comparable: E.164 digits where they are such, unchanged where not."""

SEPARATORS = str.maketrans("", "", " -.()/")
"""Visual separators (RFC 3966 section 5.1.1), and the slash that national habits add."""


def normalise(dialled: str, country: str = "") -> str:
    """A dialled number as E.164 digits: ``tel:+49 30-123`` -> ``4930123``.

    ``country`` is the country code for national numbers (one leading 0); without it they stay as they are. Short
    codes and whatever is no telephone number (service URNs, names) come back unchanged.
    """
    text = dialled.strip()
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in ("tel", "sip", "sips"):
        text = rest
    text = text.partition(";")[0].partition("@")[0]
    digits = text.translate(SEPARATORS)
    international = digits.startswith("+")
    digits = digits.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return dialled.strip()
    if international:
        return digits
    if digits.startswith("00"):
        return digits[2:] or digits
    if digits.startswith("0") and country and len(digits) > 3:
        return country + digits[1:]
    return digits
