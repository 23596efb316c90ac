"""Who asks, whether they may, and how often: the door that every route which does work has a request go through.

A key in a header or the query string is looked at before the body is read, and so is the rate of clients without keys.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeVar

from fastapi import Request

from service.errors import Forbidden, InvalidRequest
from service.keys import KeyFile, KeyScope
from service.rates import Rates
from service.requests import read_body
from service.schemas import DetectRequest, TextRequest
from service.settings import Settings

Body = TypeVar("Body", bound=TextRequest | DetectRequest)

UNKNOWN = "unknown"
MAX_ADDRESS_CHARACTERS = 100
"""What is longer is none, and would be kept in memory as often as a proxy passes on another."""


class Access:
    """The API keys and the rates of a service.

    Once a request is admitted, ``request.state.client`` is who sent it: the id of a key, or an address. SettingsError
    where a setting cannot be.
    """

    def __init__(self, settings: Settings) -> None:
        self._rates = Rates(settings.rate_limit, settings.rate_storage.get_secret_value())
        self._keys = KeyFile(settings.keys) if settings.keys else None

    @property
    def key_required(self) -> bool:
        """Whether who asks needs a key."""
        return self._keys is not None

    async def admit(self, request: Request, scope: KeyScope) -> None:
        """Admit a request by what is known before its body is read, if that is enough.

        InvalidRequest without a key, Forbidden with a wrong one, TooManyRequests.
        """
        if self._keys is None:
            await self._admit_without_keys(request, scope)
        elif key := _key_before_body(request):
            await self._admit_with_key(request, scope, key, self._keys)

    async def admit_by_body(self, request: Request, scope: KeyScope, api_key: str | None) -> None:
        """Admit a request by the key in its body, unless it is admitted already; errors as of ``admit``."""
        if self._keys is not None and not hasattr(request.state, "client"):
            await self._admit_with_key(request, scope, api_key, self._keys)

    async def _admit_without_keys(self, request: Request, scope: KeyScope) -> None:
        client = address_of(request)
        await self._rates.count(client, None)
        if scope is KeyScope.ADMIN:  # which whoever reaches a service without keys is not
            raise Forbidden("This needs an API key for admin, and the server has no keys")
        request.state.client = client

    async def _admit_with_key(self, request: Request, scope: KeyScope, api_key: str | None, keys: KeyFile) -> None:
        key = keys.find(api_key) if api_key else None
        if key is None:
            await self._rates.count(address_of(request), None)
            if api_key:
                raise Forbidden("Invalid API key")
            raise InvalidRequest("Please contact the server operator to get an API key")
        await self._rates.count(key.id, key.rate_limit)
        if scope not in key.scopes:
            raise Forbidden(f"Invalid API key: it is not for {scope}")
        request.state.client = key.id

    async def close(self) -> None:
        """Close the file of keys, and the connections to where requests are counted."""
        await self._rates.close()
        if self._keys:
            self._keys.close()


async def read_admitted(request: Request, model: type[Body], scope: KeyScope) -> Body:
    """Read the body of a request that may come in; errors as of ``Access.admit`` and ``read_body``."""
    access: Access = request.app.state.service.access
    await access.admit(request, scope)
    body = await read_body(request, model)
    await access.admit_by_body(request, scope, body.api_key)
    return body


def _key_before_body(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("x-api-key") or (
        request.query_params.get("api_key") if request.scope["query_string"] else None
    )


def address_of(request: Request) -> str:
    """Return the client's address; of IPv6 the network, of which who has one address has 2^64."""
    host = request.client.host if request.client else ""
    return _network_of(host) if len(host) <= MAX_ADDRESS_CHARACTERS else UNKNOWN


@lru_cache(maxsize=4096)
def _network_of(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:  # what a proxy says need not be an address
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), 64), strict=False))
    return str(address)
