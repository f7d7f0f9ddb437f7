"""Acting as somebody else: `kubectl --as`, `--as-group`.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation. Who asks needs the
verb `impersonate` on each user, group or ServiceAccount that they want to be.
"""

from __future__ import annotations

from aiohttp import web

from canary.sandbox.apiserver import rbac
from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.store import Store

AUTHENTICATED = "system:authenticated"
_USER, _GROUPS = "Impersonate-User", "Impersonate-Group"
_ACCOUNT, _ACCOUNTS = "system:serviceaccount:", "system:serviceaccounts"


def acting(store: Store, user: rbac.User, request: web.Request) -> rbac.User:
    """Who a request is to be carried out for: the asker, or whoever it names.

    Raises:
        ApiError: 403 where the asker may not be them; 500, as a real server answers, for groups of nobody.
    """
    name, groups = request.headers.get(_USER, ""), tuple(request.headers.getall(_GROUPS, ()))
    if not name and groups:
        message = f"Internal error occurred: requested {list(groups)} without impersonating a user"
        raise ApiError(500, "InternalError", message)
    if not name:
        return user
    known: tuple[str, ...] = ()
    namespace, _, account = name.removeprefix(_ACCOUNT).partition(":")
    if name.startswith(_ACCOUNT) and account:
        wanted = rbac.Request(
            verb="impersonate", group="", resource="serviceaccounts", namespace=namespace, name=account
        )
        known = (_ACCOUNTS, f"{_ACCOUNTS}:{namespace}")
    else:
        wanted = rbac.Request(verb="impersonate", group="", resource="users", name=name)
    rbac.demand(store, user, wanted)
    for group in groups:
        rbac.demand(store, user, rbac.Request(verb="impersonate", group="", resource="groups", name=group))
    return rbac.User(name, tuple(dict.fromkeys((*(groups or known), AUTHENTICATED))))
