"""Models: loading, capturing states, writing chains. The only part of M2KT that imports torch."""
