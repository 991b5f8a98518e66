"""Odd auth: credentials that are found, fetched, refreshed or signed with, where a key alone will not do.

Owns AWS (SigV4 by our own signer; credentials from environment and profiles, all others through botocore), Google
(google-auth), Entra ID (azure-identity) and IBM Cloud, each an extra that is imported when it is used. It refuses to
know URLs of providers, dialects and configuration, and to open connections of its own: what fetches a token is given
to it. No repr and no error shows a secret.
"""

from tsuji.core.provider import Auth

from .signer import Fetch, Signer


def signer_for(auth: Auth, key: str | None, region: str, fetch: Fetch) -> Signer:
    """Who signs for `auth`: with `key` where that is exchanged, else with what this machine has.

    region: with "aws", the one that is signed for. Nothing is looked for before it is asked to refresh.
    """
    if key is not None:
        from . import ibm

        return Signer(lambda: ibm.grant(fetch, key, auth.token_url))
    if auth.keyless == "aws":
        from . import aws

        return Signer(lambda: aws.grant(auth.service, region, auth.scope))
    if auth.keyless == "google":
        from . import google

        return Signer(lambda: google.grant(fetch))
    from . import entra

    return Signer(lambda: entra.grant(auth.scope))


__all__ = ["Fetch", "Signer", "signer_for"]
