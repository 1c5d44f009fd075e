"""A small teacher and a small student that disagree about one world, and how they are made."""
