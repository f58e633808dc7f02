"""Which scope a request needs. What is not listed needs `admin`, so a new route is never open."""

from typing import Literal, NamedTuple

from ml.contract.api_keys import Scope

Public = Literal["public"]


class _Rule(NamedTuple):
    prefix: str
    methods: frozenset[str]
    needs: Scope | Public


def _rule(prefix: str, needs: Scope | Public, *methods: str) -> _Rule:
    return _Rule(prefix, frozenset(methods), needs)


# The first rule that fits decides. A prefix ends at a slash or at the path's end.
_RULES = (
    _rule("/health", "public", "GET"),
    _rule("/v2/health", "public", "GET"),
    # The page is the same for everybody; what it asks carries the key that a person typed in.
    _rule("/static", "public", "GET", "HEAD"),
    _rule("/openapi.json", "public", "GET", "HEAD"),
    # Signed by the registry: see `hint`.
    _rule("/hooks/registry", "public", "POST"),
    _rule("/metrics", "metrics", "GET"),
    _rule("/predict", "predict", "POST"),
    _rule("/batch_predict", "predict", "POST"),
    _rule("/model", "predict", "GET"),
    _rule("/v2", "predict", "GET", "POST"),
    _rule("/feedback", "feedback", "POST"),
    _rule("/v1/review", "review", "GET", "POST"),
)


def scope_of(method: str, path: str) -> Scope | Public:
    """The scope that a request needs, or `public`."""
    if path in ("/", "/review") and method in ("GET", "HEAD"):
        return "public"
    for rule in _RULES:
        if method in rule.methods and (path == rule.prefix or path.startswith(f"{rule.prefix}/")):
            return rule.needs
    return "admin"
