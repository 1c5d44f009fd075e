"""What an extraction learns before it looks at states: the teacher's chains, and how they are built."""

from dataclasses import dataclass

from teacher_agent.chains import Corpus
from teacher_agent.kinds import Kinds
from teacher_agent.roles import Roles
from teacher_agent.shapes import Shape
from teacher_agent.slots import Decision


@dataclass(frozen=True)
class Survey:
    """The chains, their shapes, the roles in them, and what is decided where."""

    corpus: Corpus
    kinds: Kinds  # (S,) of the corpus' symbols
    shapes: list[Shape]
    roles: list[Roles]
    decisions: list[Decision]
    queries: int
    shaped: int  # chains that had a shape, whether its roles were clear or not
    judged: dict[str, float]  # accuracy and chance, where the domain judges
