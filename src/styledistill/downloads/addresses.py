"""Addresses that hold a password or a token: shown and written without it, and whole only where they are asked.

`https://user:secret@host/a.zip?token=secret` is called `https://***@host/a.zip?token=***` everywhere else: in messages,
parameters, commands, records, locks and the report. What was taken out is handed to jobs by the environment, which
other users of a machine cannot see, as they can see commands.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from urllib.parse import unquote, urlsplit, urlunsplit

import braceexpand

# Address of a folder that holds the files under their own names, asked instead of the publishers.
MIRROR = "STYLEDISTILL_MIRROR"
_CONCEALED = "STYLEDISTILL_ADDRESSES"  # JSON, from what an address is called to what it is
_USER = re.compile(r"(https?://)[^/?#\s\"']*@")
_QUERY = re.compile(r"(https?://[^?#\s\"']*\?)([^#\s\"']*)")


def redacted(text: str) -> str:
    """A text without the user names, passwords and query values of the addresses in it."""
    text = _USER.sub(r"\1***@", text)
    return _QUERY.sub(lambda found: found[1] + "&".join(map(_without_value, found[2].split("&"))), text)


def _without_value(part: str) -> str:
    name, equals, _ = part.partition("=")
    if "{" in part:  # several archives, which is no secret
        return part
    return f"{name}=***" if equals else "***"


def conceal(address: str) -> str:
    """What an address is called; the same for one that holds no secret, or that has been concealed already.

    {00..19} may stand for several.
    """
    known: dict[str, str] = json.loads(os.environ.get(_CONCEALED, "{}"))
    called, number = redacted(address), 1
    if called == address or address in known:
        return address
    plain = called
    while known.get(called, address) != address:  # two that differ in what is not shown
        number += 1
        called = plain.replace("***", f"***{number}")
    known |= {called: address} | dict(
        zip(braceexpand.braceexpand(called), braceexpand.braceexpand(address), strict=True)
    )
    os.environ[_CONCEALED] = json.dumps(known)
    return called


def revealed(called: str) -> tuple[str, dict[str, str]]:
    """Where to ask for what is called so, and the header that a user name and a password in it are sent as."""
    parts = urlsplit(json.loads(os.environ.get(_CONCEALED, "{}")).get(called, called))
    user, at, host = parts.netloc.rpartition("@")
    header = {"Authorization": f"Basic {b64encode(unquote(user).encode()).decode()}"} if at else {}
    return urlunsplit(parts._replace(netloc=host)), header
