"""RFC 9457 problem details, made from the error catalogue."""

from pydantic import BaseModel, Field

from m2kt.errors import M2KTError


class Fault(BaseModel):
    """One thing wrong with a request: where, and what. The value itself is never echoed."""

    where: str
    what: str


class Problem(BaseModel):
    type: str = Field(examples=["urn:m2kt:error:packet-not-approved"])
    title: str
    status: int
    detail: str
    hint: str
    code: str = Field(description="stable; the SDK and the command line go by it", examples=["packet-not-approved"])
    errors: list[Fault] | None = None

    @classmethod
    def of(cls, error: M2KTError, *, status: int | None = None, errors: list[Fault] | None = None) -> "Problem":
        return cls(
            type=f"urn:m2kt:error:{error.code}",
            title=error.code.replace("-", " ").capitalize(),
            status=status or error.status,
            detail=error.detail,
            hint=error.hint,
            code=error.code,
            errors=errors,
        )
