"""The broker's own errors; everything that leaves over HTTP is in `m2kt.errors`.

m2kt.errors.Conflict
├── LeaseLost            the job has another owner now: write nothing
└── IllegalTransition    the lifecycle has no such step
m2kt.errors.RequestUnsigned
└── NonceUsed            this signed request was seen before
"""

from m2kt.errors import Conflict, RequestUnsigned


class LeaseLost(Conflict):
    default_hint = "Stop this attempt: another worker holds the job, or it was cancelled."


class IllegalTransition(Conflict):
    default_hint = "Look at the packet's state with `m2kt packet show`."


class NonceUsed(RequestUnsigned):
    default_hint = "Sign each request anew: a nonce can be used once."
