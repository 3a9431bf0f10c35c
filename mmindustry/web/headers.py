"""The security headers of every answer."""

from collections.abc import Mapping

_DIRECTIVES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types default",
)

CONTENT_SECURITY_POLICY = "; ".join(_DIRECTIVES)
"""No inline script or style, nothing from elsewhere, no frame around us, no string into a sink."""

_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def security_headers(*, secure_transport: bool = False) -> dict[str, str]:
    """Return what an answer carries unless it sets the same header itself.

    >>> security_headers()["X-Content-Type-Options"]
    'nosniff'
    """
    headers = dict(_HEADERS)
    if secure_transport:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
