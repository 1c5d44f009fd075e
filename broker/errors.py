"""The broker's own errors; everything that leaves over HTTP is in `m2kt.errors`.

m2kt.errors.Conflict
└── IllegalTransition    the lifecycle has no such step
m2kt.errors.RequestUnsigned
└── NonceUsed            this signed request was seen before
"""

from m2kt.errors import Conflict, RequestUnsigned


class IllegalTransition(Conflict):
    default_hint = "Look at the packet's state with `m2kt packet show`."


class NonceUsed(RequestUnsigned):
    default_hint = "Sign each request anew: a nonce can be used once."
