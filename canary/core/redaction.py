"""The last net under "no secret in any output": what looks like a credential is taken out of foreign text.

Whoever handles a credential does not show it; this is for what others quote back: a server that echoes a request, an
exception of a library that quotes a header.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_LIKE_A_SECRET = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[^\s'\"<>,;]{8,}"  # of an Authorization header
    r"|(?P<user>\w{1,12}://[^\s/:@]{0,256}:)[^\s/@]{1,1024}(?=@)"  # a password in an address
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JSON Web Token, as every ServiceAccount's is
    r"|\bxox[abeprs]-[\w-]{8,}"  # Slack's
    r"|-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----"
    r"(?:(?!-----END)[\s\S]){0,16384}(?:-----END [A-Z ]{0,24}PRIVATE KEY-----)?",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """The text with `***` in place of what looks like a credential."""
    return _LIKE_A_SECRET.sub(lambda found: (found["scheme"] or found["user"] or "") + HIDDEN, text)
